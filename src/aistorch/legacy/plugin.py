"""The plugin's iterable datasets and its sampler, which share samples as the plugin does: not among ranks.

A script that was written for the plugin shares among ranks by hand, or lets Accelerate do it, and has to find all
samples in each rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from aistore.sdk import DataShard

from aistorch.datasets import base_iter, batch_iterable, iterable, multishard, shard_reader
from aistorch.loading import dynamic_sampler
from aistorch.loading.split import Split


class AISBaseIterDataset(base_iter.AISBaseIterDataset):
    """`aistorch.AISBaseIterDataset`, shared among workers only."""

    default_split: ClassVar[Split | None] = "workers"


class AISIterDataset(iterable.AISIterDataset):
    """`aistorch.AISIterDataset`, shared among workers only."""

    default_split: ClassVar[Split | None] = "workers"


class AISBatchIterDataset(batch_iterable.AISBatchIterDataset):
    """`aistorch.AISBatchIterDataset`, shared among workers only."""

    default_split: ClassVar[Split | None] = "workers"


class AISShardReader(shard_reader.AISShardReader):
    """`aistorch.AISShardReader`, shared among workers only."""

    default_split: ClassVar[Split | None] = "workers"


class AISMultiShardStream(multishard.AISMultiShardStream):
    """`aistorch.AISMultiShardStream`, shared among workers only; samples end with the shortest row, with a warning."""

    default_split: ClassVar[Split | None] = "workers"

    def __init__(self, data_sources: Sequence[DataShard], *, strict: bool = False, **options: Any) -> None:
        super().__init__(data_sources, strict=strict, **options)


class DynamicBatchSampler(dynamic_sampler.DynamicBatchSampler):
    """`aistorch.DynamicBatchSampler`, whose batches each rank gets all of."""

    shares_among_ranks: ClassVar[bool] = False


# What is derived from the plugin's datasets is derived from its base class.
for _dataset in (AISIterDataset, AISBatchIterDataset, AISShardReader):
    AISBaseIterDataset.register(_dataset)
