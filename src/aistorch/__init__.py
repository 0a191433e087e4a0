"""Streams training data from AIStore into PyTorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Names are loaded when first used: the server and the command line must not pay for torch (2 s, 250 MB).
_MODULES = {
    "AISBaseIterDataset": "aistorch.datasets.base_iter",
    "AISBaseMapDataset": "aistorch.datasets.base_map",
    "AISDataset": "aistorch.datasets.dataset",
    "AISIterDataset": "aistorch.datasets.iterable",
    "AISMapDataset": "aistorch.datasets.map",
    "ObjectIndex": "aistorch.index.object_index",
    "ReadConfig": "aistorch.config",
    "RetryPolicy": "aistorch.config",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
