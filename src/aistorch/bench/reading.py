"""How each contender reads a bucket: what a user would write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import Any

from aistore.sdk import Bucket, Client, DataShard
from torch.utils.data import DataLoader

from aistorch.bench.content import row_prefix
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.floor import read_floor
from aistorch.bench.task import Task
from aistorch.bench.with_webdataset import webdataset_reading

BATCH_SIZE = 32
Sample = bytes | Collection[bytes]
"""The content of an object, or those of a sample's files."""
Reading = Callable[[Task], Iterator[Sample]]


def reading(contender: str, kind: str) -> Reading:
    """A function that reads what a task says and yields the contents of each sample.

    Modules are loaded here, so that the time this takes is not measured.

    Raises:
        BenchmarkError: There is no such contender.
    """
    if contender == "webdataset":
        return webdataset_reading()
    if contender == "floor":
        return read_floor
    if contender == "plain":
        return _iterate(_package("aistorch").AISIterDataset)
    package = _package(contender)
    if kind == "map":
        return _load(package.AISMapDataset)
    if kind == "shards":
        return _samples(package.AISShardReader)
    if kind == "rows":
        return _side_by_side(package.AISMultiShardStream)
    return _iterate(package.AISIterDataset)


def bucket_of(task: Task) -> Bucket:
    """The bucket that a task reads."""
    bucket: Bucket = Client(task.endpoint).bucket(task.bucket.name)
    return bucket


def _package(contender: str) -> Any:
    """Where the contender's classes are; those of both have the same names."""
    if contender == "plugin":
        import aistore.pytorch

        return aistore.pytorch
    if contender == "aistorch":
        import aistorch

        return aistorch
    raise BenchmarkError(f"there is no contender {contender!r}")


def _iterate(dataset: Any) -> Reading:
    def iterate(task: Task) -> Iterator[bytes]:
        for _, content in dataset(bucket_of(task)):
            yield content

    return iterate


def _load(dataset: Any) -> Reading:
    def load(task: Task) -> Iterator[bytes]:
        for _, contents in _loader(task, dataset(bucket_of(task)), shuffle=True):
            yield from contents

    return load


def _samples(dataset: Any) -> Reading:
    def read(task: Task) -> Iterator[Collection[bytes]]:
        samples = dataset(bucket_of(task))
        if task.workers:
            # Batches are handed over as they are: what collating costs is the same for everyone.
            samples = chain.from_iterable(_loader(task, samples, collate_fn=list))
        for _, files in samples:
            yield files.values()

    return read


def _side_by_side(dataset: Any) -> Reading:
    def read(task: Task) -> Iterator[Collection[bytes]]:
        name = task.bucket.name
        rows = [DataShard(task.endpoint, name, prefix=row_prefix(row)) for row in range(task.bucket.rows)]
        yield from dataset(rows)

    return read


def _loader(task: Task, dataset: Any, **settings: Any) -> DataLoader[Any]:
    # A forked worker is the child of this process, so its processor time can be counted.
    context = "fork" if task.workers and sys.platform.startswith("linux") else None
    return DataLoader(
        dataset, batch_size=BATCH_SIZE, num_workers=task.workers, multiprocessing_context=context, **settings
    )
