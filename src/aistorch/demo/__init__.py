"""The demonstration: handwritten digits are stored in AIStore, and a small network learns to read them from there.

Written to be read as an example: `dataset.py` and `training.py` are what a training script of one's own looks like.
"""
