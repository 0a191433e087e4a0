"""Streams training data from AIStore into PyTorch."""

from aistorch.config import ReadConfig, RetryPolicy

__all__ = ["ReadConfig", "RetryPolicy"]
