"""What is there: the listing, once, in columns."""
