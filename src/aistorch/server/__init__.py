"""An embedded AIStore: the server a laptop, a demo or a test runs against."""
