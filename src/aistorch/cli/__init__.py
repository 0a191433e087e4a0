"""The `aistorch` command."""
