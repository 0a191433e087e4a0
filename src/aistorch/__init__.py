"""Streams training data from AIStore into PyTorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aistorch.config import ReadConfig, RetryPolicy, ShardLimits, ShuffleConfig
    from aistorch.datasets.base_iter import AISBaseIterDataset
    from aistorch.datasets.base_map import AISBaseMapDataset
    from aistorch.datasets.batch_iterable import AISBatchIterDataset
    from aistorch.datasets.dataset import AISDataset
    from aistorch.datasets.file_lister import AISFileLister, AISFileListerIterDataPipe, AISSourceLister
    from aistorch.datasets.file_loader import AISFileLoader, AISFileLoaderIterDataPipe
    from aistorch.datasets.iterable import AISIterDataset
    from aistorch.datasets.map import AISMapDataset
    from aistorch.datasets.mixed import AISMixedDataset
    from aistorch.datasets.multishard import AISMultiShardStream
    from aistorch.datasets.parallel_map import AISParallelMapDataset
    from aistorch.datasets.shard_map import AISShardMapDataset
    from aistorch.datasets.shard_reader import AISShardReader
    from aistorch.index.object_index import ObjectIndex
    from aistorch.legacy.install import install_as_aistore_pytorch
    from aistorch.loading.batch_sampler import AISBatchSampler
    from aistorch.loading.dynamic_sampler import DynamicBatchSampler
    from aistorch.loading.loader import AISDataLoader
    from aistorch.shards.member_index import MemberIndex
    from aistorch.shards.writer import ShardWriter
    from aistorch.shards.zero_dict import ZeroDict

__all__ = [
    "AISBaseIterDataset",
    "AISBaseMapDataset",
    "AISBatchIterDataset",
    "AISBatchSampler",
    "AISDataLoader",
    "AISDataset",
    "AISFileLister",
    "AISFileListerIterDataPipe",
    "AISFileLoader",
    "AISFileLoaderIterDataPipe",
    "AISIterDataset",
    "AISMapDataset",
    "AISMixedDataset",
    "AISMultiShardStream",
    "AISParallelMapDataset",
    "AISShardMapDataset",
    "AISShardReader",
    "AISSourceLister",
    "DynamicBatchSampler",
    "MemberIndex",
    "ObjectIndex",
    "ReadConfig",
    "RetryPolicy",
    "ShardLimits",
    "ShardWriter",
    "ShuffleConfig",
    "ZeroDict",
    "install_as_aistore_pytorch",
]

# Names are loaded when first used: the server and the command line must not pay for torch (2 s, 250 MB).
_MODULES = {
    "AISBaseIterDataset": "aistorch.datasets.base_iter",
    "AISBaseMapDataset": "aistorch.datasets.base_map",
    "AISBatchIterDataset": "aistorch.datasets.batch_iterable",
    "AISBatchSampler": "aistorch.loading.batch_sampler",
    "AISDataLoader": "aistorch.loading.loader",
    "AISDataset": "aistorch.datasets.dataset",
    "AISFileLister": "aistorch.datasets.file_lister",
    "AISFileListerIterDataPipe": "aistorch.datasets.file_lister",
    "AISFileLoader": "aistorch.datasets.file_loader",
    "AISFileLoaderIterDataPipe": "aistorch.datasets.file_loader",
    "AISIterDataset": "aistorch.datasets.iterable",
    "AISMapDataset": "aistorch.datasets.map",
    "AISMixedDataset": "aistorch.datasets.mixed",
    "AISMultiShardStream": "aistorch.datasets.multishard",
    "AISParallelMapDataset": "aistorch.datasets.parallel_map",
    "AISShardMapDataset": "aistorch.datasets.shard_map",
    "AISShardReader": "aistorch.datasets.shard_reader",
    "AISSourceLister": "aistorch.datasets.file_lister",
    "DynamicBatchSampler": "aistorch.loading.dynamic_sampler",
    "MemberIndex": "aistorch.shards.member_index",
    "ObjectIndex": "aistorch.index.object_index",
    "ReadConfig": "aistorch.config",
    "RetryPolicy": "aistorch.config",
    "ShardLimits": "aistorch.config",
    "ShardWriter": "aistorch.shards.writer",
    "ShuffleConfig": "aistorch.config",
    "ZeroDict": "aistorch.shards.zero_dict",
    "install_as_aistore_pytorch": "aistorch.legacy.install",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
