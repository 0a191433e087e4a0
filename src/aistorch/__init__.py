"""Streams training data from AIStore into PyTorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aistorch.config import ReadConfig, RetryPolicy
    from aistorch.datasets.base_iter import AISBaseIterDataset
    from aistorch.datasets.base_map import AISBaseMapDataset
    from aistorch.datasets.batch_iterable import AISBatchIterDataset
    from aistorch.datasets.dataset import AISDataset
    from aistorch.datasets.file_lister import AISFileLister, AISFileListerIterDataPipe, AISSourceLister
    from aistorch.datasets.file_loader import AISFileLoader, AISFileLoaderIterDataPipe
    from aistorch.datasets.iterable import AISIterDataset
    from aistorch.datasets.map import AISMapDataset
    from aistorch.datasets.parallel_map import AISParallelMapDataset
    from aistorch.index.object_index import ObjectIndex
    from aistorch.legacy.install import install_as_aistore_pytorch
    from aistorch.shards.member_index import MemberIndex
    from aistorch.shards.writer import ShardWriter

__all__ = [
    "AISBaseIterDataset",
    "AISBaseMapDataset",
    "AISBatchIterDataset",
    "AISDataset",
    "AISFileLister",
    "AISFileListerIterDataPipe",
    "AISFileLoader",
    "AISFileLoaderIterDataPipe",
    "AISIterDataset",
    "AISMapDataset",
    "AISParallelMapDataset",
    "AISSourceLister",
    "MemberIndex",
    "ObjectIndex",
    "ReadConfig",
    "RetryPolicy",
    "ShardWriter",
    "install_as_aistore_pytorch",
]

# Names are loaded when first used: the server and the command line must not pay for torch (2 s, 250 MB).
_MODULES = {
    "AISBaseIterDataset": "aistorch.datasets.base_iter",
    "AISBaseMapDataset": "aistorch.datasets.base_map",
    "AISBatchIterDataset": "aistorch.datasets.batch_iterable",
    "AISDataset": "aistorch.datasets.dataset",
    "AISFileLister": "aistorch.datasets.file_lister",
    "AISFileListerIterDataPipe": "aistorch.datasets.file_lister",
    "AISFileLoader": "aistorch.datasets.file_loader",
    "AISFileLoaderIterDataPipe": "aistorch.datasets.file_loader",
    "AISIterDataset": "aistorch.datasets.iterable",
    "AISMapDataset": "aistorch.datasets.map",
    "AISParallelMapDataset": "aistorch.datasets.parallel_map",
    "AISSourceLister": "aistorch.datasets.file_lister",
    "MemberIndex": "aistorch.shards.member_index",
    "ObjectIndex": "aistorch.index.object_index",
    "ReadConfig": "aistorch.config",
    "RetryPolicy": "aistorch.config",
    "ShardWriter": "aistorch.shards.writer",
    "install_as_aistore_pytorch": "aistorch.legacy.install",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
