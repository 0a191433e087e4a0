"""Accelerate: its own objects that share samples among ranks, and what it looks at in a loader.

`accelerator.prepare(loader)` leaves an `AISDataLoader` as it is, since that shares its samples itself, and saves its
state with `save_state`. A plain `DataLoader` is wrapped, and Accelerate deals the samples of one whole dataset to the
ranks: the dataset then must not deal them a second time.
"""

from __future__ import annotations

from typing import Any

MODULES = ("accelerate.data_loader",)
SHARE_AMONG_RANKS = ("IterableDatasetShard", "DataLoaderDispatcher", "BatchSamplerShard")
"""Classes whose methods read a dataset or a batch sampler and keep one rank's part of it."""
COUNT_ITERATIONS: tuple[str, ...] = ()


def leave_as_it_is(loader: Any, *, has_state: bool) -> None:
    """Marks a loader as one that `accelerator.prepare` must not share among ranks.

    Args:
        loader: The loader.
        has_state: Whether `save_state` and `load_state` can keep its place.
    """
    loader._is_accelerate_prepared = True
    loader.use_stateful_dataloader = has_state
