"""What training loops of other frameworks read, noted sample by sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from aistorch import AISDataLoader, AISIterDataset, AISMapDataset, AISShardReader
from aistorch.legacy import plugin

COUNT, BATCH, IN_SHARD = 42, 4, 7
"""Six shards; after five batches for each of two ranks two samples are left, one for each."""
DATASETS: dict[str, Callable[..., Any]] = {
    "map": AISMapDataset,
    "iter": AISIterDataset,
    "shards": AISShardReader,
    "legacy": plugin.AISIterDataset,  # what scripts for the plugin get
}


def content_of(number: int) -> bytes:
    return bytes([number]) * (number + 1)


def numbers(samples: Sequence[tuple[str, Any]]) -> torch.Tensor:
    """A batch: the number of each sample, after a look at whether it has its own content."""
    found = []
    for name, body in samples:
        number = int(name.rpartition("/")[2])
        assert (body["bin"] if isinstance(body, dict) else body) == content_of(number), name
        found.append(number)
    return torch.tensor(found)


def dataset_of(kind: str, endpoint: str, **options: Any) -> Any:
    """A dataset of one of these kinds over all samples; iterable ones shuffle unless told otherwise."""
    if kind != "map":
        options = {"shuffle": True, "seed": 3} | options
    folder = "shards/" if kind == "shards" else "objects/"
    return DATASETS[kind](client_url=endpoint, urls_list=f"ais://data/{folder}", **options)


def loader_of(kind: str, endpoint: str, workers: int = 0, **options: Any) -> AISDataLoader[Any]:
    """An `AISDataLoader` over one of them, shuffled."""
    shuffle = {"shuffle": True} if kind == "map" else {}
    dataset = dataset_of(kind, endpoint)
    return AISDataLoader(dataset, BATCH, num_workers=workers, collate_fn=numbers, **(shuffle | options))


def plain_loader_of(kind: str, endpoint: str, workers: int = 0, **options: Any) -> DataLoader[Any]:
    """torch's own loader over one of them."""
    shuffle = {"shuffle": True} if kind == "map" else {}
    dataset = dataset_of(kind, endpoint)
    return DataLoader(dataset, BATCH, num_workers=workers, collate_fn=numbers, **(shuffle | options))


def epoch_of(loader: Any) -> list[int]:
    """What one iteration of a loader gives."""
    return [number for batch in loader for number in batch.tolist()]


def epochs_of(loader: Any, count: int = 3) -> list[list[int]]:
    """What so many epochs of an `AISDataLoader` give, told apart by `set_epoch`."""
    found = []
    for epoch in range(count):
        loader.set_epoch(epoch)
        found.append(epoch_of(loader))
    return found


def check_epoch(parts: Sequence[Sequence[int]], padding: int = 0, case: object = "") -> None:
    """All samples were read by these ranks, each once but for so many that were repeated to make ranks even."""
    counts = Counter(number for part in parts for number in part)
    assert sorted(counts) == list(range(COUNT)), f"{case}: of {COUNT} samples {len(counts)} were read"
    repeated = sum(counts.values()) - COUNT
    assert repeated <= padding, f"{case}: {repeated} samples were read again"


def check_epochs(ranks: Sequence[Sequence[Sequence[int]]], padding: int = 0, case: object = "") -> None:
    """Each of these ranks tells what it read in each epoch: all was read in each, in another order each time."""
    epochs = list(zip(*ranks, strict=True))
    for parts in epochs:
        check_epoch(parts, padding, case)
    assert len(set(map(str, epochs))) == len(epochs), f"{case}: the order is the same in two epochs"
