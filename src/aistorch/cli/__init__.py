"""The command `aistorch`, one file a subcommand."""
