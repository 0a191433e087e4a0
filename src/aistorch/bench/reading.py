"""How each contender reads a bucket: what a user would write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from aistore.sdk import Client
from torch.utils.data import DataLoader

from aistorch.bench.errors import BenchmarkError
from aistorch.bench.task import Task

BATCH_SIZE = 32
Reading = Callable[[Task], Iterator[bytes]]


def reading(contender: str, kind: str) -> Reading:
    """A function that reads what a task says and yields the content of each sample.

    Modules are loaded here, so that the time this takes is not measured.

    Raises:
        BenchmarkError: There is no such contender.
    """
    iterable, mapped = _datasets(contender)

    def iterate(task: Task) -> Iterator[bytes]:
        for _, content in iterable(_bucket(task)):
            yield content

    def load(task: Task) -> Iterator[bytes]:
        # A forked worker is the child of this process, so its processor time can be counted.
        context = "fork" if task.workers and sys.platform.startswith("linux") else None
        loader = DataLoader(
            mapped(_bucket(task)),
            batch_size=BATCH_SIZE,
            shuffle=True,
            num_workers=task.workers,
            multiprocessing_context=context,
        )
        for _, contents in loader:
            yield from contents

    return load if kind == "map" else iterate


def _datasets(contender: str) -> tuple[Any, Any]:
    """The iterable and the map-style dataset."""
    if contender == "plugin":
        from aistore.pytorch import AISIterDataset as PluginIterDataset
        from aistore.pytorch import AISMapDataset as PluginMapDataset

        return PluginIterDataset, PluginMapDataset
    if contender == "aistorch":
        from aistorch import AISIterDataset, AISMapDataset

        return AISIterDataset, AISMapDataset
    raise BenchmarkError(f"there is no contender {contender!r}")


def _bucket(task: Task) -> Any:
    return Client(task.endpoint).bucket(task.bucket.name)
