"""Streams training data from AIStore into PyTorch."""

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.datasets.base_iter import AISBaseIterDataset
from aistorch.datasets.base_map import AISBaseMapDataset
from aistorch.datasets.dataset import AISDataset
from aistorch.datasets.iterable import AISIterDataset
from aistorch.datasets.map import AISMapDataset
from aistorch.index.object_index import ObjectIndex

__all__ = [
    "AISBaseIterDataset",
    "AISBaseMapDataset",
    "AISDataset",
    "AISIterDataset",
    "AISMapDataset",
    "ObjectIndex",
    "ReadConfig",
    "RetryPolicy",
]
