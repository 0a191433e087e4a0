"""Who reads what, when: pure functions, no I/O."""
