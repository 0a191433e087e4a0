"""Which epoch an iteration is: counted by itself, in memory that DataLoader workers share with their parent."""

from __future__ import annotations

from multiprocessing.context import get_spawning_popen
from typing import Any

import torch
from torch.utils.data import get_worker_info

from aistorch.errors import ArgumentTypeError, InvalidArgumentError

LIMIT = 1 << 62
"""Epochs are below it."""

MAX_WORKERS = 64
"""Workers of a plain `DataLoader` up to which epochs advance by themselves; an `AISDataLoader` may have any number."""

# Cells: the epoch that was pinned last, how often that has happened, and then a pair for each reader: which pin it has
# seen last, and its next epoch. Only its owner writes a pair, so none needs a lock that a crash would leave behind.
_PINNED, _PINS, _PAIRS = 0, 1, 2
_READERS = 1 + MAX_WORKERS * (MAX_WORKERS + 1) // 2


def checked_epoch(epoch: Any) -> int:
    """The number of an epoch.

    Raises:
        ArgumentTypeError: It is no whole number.
        InvalidArgumentError: It is negative, or too large.
    """
    try:
        number = epoch.__index__()
    except AttributeError:
        raise ArgumentTypeError(f"epoch must be a whole number, not {type(epoch).__name__}") from None
    if not 0 <= number < LIMIT:
        raise InvalidArgumentError(f"epoch is {epoch}; use a number from 0 to {LIMIT - 1}")
    return int(number)


class EpochCounter:
    """Counts epochs: each iteration is the next one, unless `pin` has said which it is.

    The training process and each worker of a `DataLoader` count for themselves. Workers of one loader begin equally
    often, so they agree; loaders of different numbers of workers count separately. What the training process pins
    holds for all of them, persistent workers included; what a worker pins holds for itself.

    The memory has no name and ends with the processes that use it. A copy, or a pickle that goes to no worker, counts
    on its own from where the original is.
    """

    def __init__(self, first: int = 0) -> None:
        cells = torch.zeros(_PAIRS + 2 * _READERS, dtype=torch.int64, device="cpu")
        cells[_PINNED] = first
        self._cells = _shared(cells)

    @property
    def next(self) -> int:
        """Which epoch the next iteration of this process is."""
        return self._following if self.has_begun else int(self._cells[_PINNED])

    @property
    def current(self) -> int:
        """Which epoch the latest iteration of this process is; that of the next one, where none began since a pin."""
        return self._following - 1 if self.has_begun else int(self._cells[_PINNED])

    @property
    def has_begun(self) -> bool:
        """Whether an iteration of this process has begun since the last pin."""
        pair = _pair()
        # The first pin is that of the constructor, so a pair of zeros has seen none.
        return pair is not None and int(self._cells[pair]) == int(self._cells[_PINS]) + 1

    def pin(self, epoch: int) -> None:
        """Says which epoch the next iteration is."""
        if get_worker_info() is None:
            self._cells[_PINNED] = epoch
            self._cells[_PINS] += 1
        else:
            self._count(epoch)

    def begin(self) -> int:
        """Counts an iteration of this process.

        Returns:
            int: Its epoch.
        """
        epoch = self.next
        self._count(epoch + 1)
        return epoch

    def begin_for_workers(self) -> int:
        """Counts an iteration in the training process that workers are to do: theirs is the same epoch.

        Returns:
            int: Its epoch.
        """
        epoch = self.next
        self.pin(epoch)
        return self.begin()

    @property
    def _following(self) -> int:
        return int(self._cells[(_pair() or 0) + 1])

    def _count(self, following: int) -> None:
        if (pair := _pair()) is not None:
            self._cells[pair + 1] = following
            self._cells[pair] = self._cells[_PINS] + 1

    def __getstate__(self) -> dict[str, Any]:
        if get_spawning_popen() is not None:
            return {"cells": self._cells}  # goes to a worker, by its file descriptor
        return {"current": self.current, "has_begun": self.has_begun}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "cells" in state:
            self._cells = _shared(state["cells"])
            return
        self._cells = EpochCounter(state["current"])._cells
        if state["has_begun"]:
            self.begin()


def _pair() -> int | None:
    """The first cell of this process's pair; None where it has none, being one of too many workers."""
    info = get_worker_info()
    if info is None:
        return _PAIRS
    if info.num_workers > MAX_WORKERS:
        return None
    return _PAIRS + 2 * (1 + info.num_workers * (info.num_workers - 1) // 2 + info.id)


def _shared(cells: torch.Tensor) -> torch.Tensor:
    cells.share_memory_()  # type: ignore[no-untyped-call]
    return cells
