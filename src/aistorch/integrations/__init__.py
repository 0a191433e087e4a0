"""What other frameworks look at, one file each: their names, classes and attributes stand nowhere else.

Each file is tested against the installed release of its framework, so that a new release breaks a test and not a
training.
"""
