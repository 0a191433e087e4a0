"""Where the data lives: URLs and SDK sources, put in one order."""
