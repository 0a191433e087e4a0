"""The data plane: object bytes over keep-alive connections, straight from the targets."""
