"""Who reads what, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from aistorch.order.partition import Deal
from aistorch.order.permutation import Permutation, epoch_permutation

# What is longer is shown by its beginning and its end.
_ROWS, _BATCHES, _RUNS = 40, 4, 8
_GAP = "..."
T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """An epoch.

    Attributes:
        deal: Who gets which positions.
        workers: How many processes read for each rank.
        shuffled_by: Seed and epoch; None where positions are the numbers of objects.
    """

    deal: Deal
    workers: int
    shuffled_by: tuple[int, int] | None

    @cached_property
    def _permutation(self) -> Permutation | None:
        return None if self.shuffled_by is None else epoch_permutation(self.deal.count, *self.shuffled_by)

    def objects(self, positions: NDArray[np.int64]) -> list[int]:
        """Which objects stand at these positions."""
        numbers: list[int] = (positions if self._permutation is None else self._permutation(positions)).tolist()
        return numbers

    def batch(self, rank: int, number: int) -> list[int]:
        """The objects of a rank's batch."""
        size = self.deal.batch_size
        return self.objects(next(self.deal.positions(rank, skip=number * size, block=size)))

    def samples(self, rank: int, own: range) -> int:
        """How many samples these batches of a rank have: all are whole, except perhaps its last one."""
        last = self.deal.batches_of(rank) - 1
        missing = (last + 1) * self.deal.batch_size - self.deal.samples_of(rank)
        return len(own) * self.deal.batch_size - (missing if last in own else 0)


def table(reading: Reading) -> Table:
    """A row for each worker of each rank."""
    deal = reading.deal
    shown = Table("rank", "worker", "batches", "samples", "batch: objects", header_style="bold", title=_title(reading))
    for column in shown.columns[:-1]:
        column.justify = "right"
    readers = list(product(range(deal.ranks), range(reading.workers)))
    for reader in abbreviated(readers, _ROWS):
        if reader is None:
            shown.add_row(*[_GAP] * len(shown.columns))
            continue
        rank, worker = reader
        own = range(worker, deal.batches_of(rank), reading.workers)
        samples = reading.samples(rank, own)
        shown.add_row(str(rank), str(worker), f"{len(own):,}", f"{samples:,}", _batches(reading, rank, own))
    return shown


def totals(reading: Reading) -> str:
    """What comes of the epoch in all."""
    deal = reading.deal
    left = max(0, deal.count - deal.start)
    dealt = sum(deal.samples_of(rank) for rank in range(deal.ranks))
    before = f"{deal.start:,} were read before; " if deal.start else ""
    return f"{before}{dealt:,} samples: repeated {max(0, dealt - left):,}, left out {max(0, left - dealt):,}"


def abbreviated(items: Sequence[T], most: int) -> list[T | None]:
    """The items; of more than `most` only the first ones, None for the gap, and the last one."""
    if len(items) <= most:
        return list(items)
    return [*items[: most - 2], None, items[-1]]


def _title(reading: Reading) -> str:
    deal = reading.deal
    how = "in the order of the listing"
    if reading.shuffled_by is not None:
        seed, epoch = reading.shuffled_by
        how = f"shuffled by seed {seed} in epoch {epoch}"
    return (
        f"{deal.count:,} objects {how}: ranks {deal.ranks:,}, workers {reading.workers:,}, "
        f"batches of {deal.batch_size:,}, even={deal.even}"
    )


def _batches(reading: Reading, rank: int, own: Sequence[int]) -> str:
    shown = (
        _GAP if number is None else f"{number * reading.deal.ranks + rank}: {_runs(reading.batch(rank, number))}"
        for number in abbreviated(own, _BATCHES)
    )
    return " | ".join(shown)


def _runs(numbers: list[int]) -> str:
    """Numbers, those that follow one another as `first-last`."""
    borders = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
    runs = [(numbers[first], numbers[end - 1]) for first, end in pairwise(borders)]
    texts = (
        _GAP if run is None else f"{run[0]}" if run[0] == run[1] else f"{run[0]}-{run[1]}"
        for run in abbreviated(runs, _RUNS)
    )
    return " ".join(texts)
