"""Samples packed into batches by their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Packing:
    """Batches of positions.

    Attributes:
        positions: Those of all batches, one batch after another.
        ends: Where each batch ends in `positions`.
    """

    positions: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """How many batches there are."""
        return len(self.ends)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        first = 0
        for end in self.ends.tolist():
            yield self.positions[first:end]
            first = end


def pack(sizes: NDArray[np.int64], limit: int, *, least: float = 0, keep_oversized: bool = False) -> Packing:
    """Fills one batch after another, in the order of the samples, each with as many as fit.

    Args:
        sizes: Of the samples, in their order.
        limit: What the sizes of a batch may come to.
        least: The last batch is left out where it comes to less.
        keep_oversized: Make a batch of each sample larger than `limit`, there where it stands, while the batch that is
            being filled stays open; without it, they are left out.
    """
    fitting = np.flatnonzero(sizes <= limit)
    sums = np.cumsum(sizes[fitting])
    ends = _fill(sums, limit)
    filled = np.diff(sums[ends - 1], prepend=0)
    if len(ends) and filled[-1] < least:
        ends, filled = ends[:-1], filled[:-1]
    # A full batch is there with its last sample, one with room left with the next sample that does not fit in it.
    full = filled == limit
    last, following = fitting[ends - 1], np.append(fitting, len(sizes))[ends]
    times = np.full(len(sizes), -1, dtype=np.int64)
    times[fitting[: ends[-1] if len(ends) else 0]] = np.repeat(
        np.where(full, 2 * last + 1, 2 * following), np.diff(ends, prepend=0)
    )
    if keep_oversized:
        alone = np.flatnonzero(sizes > limit)
        times[alone] = 2 * alone
    positions = np.argsort(times, kind="stable")[int((times < 0).sum()) :]
    borders = np.flatnonzero(np.diff(times[positions])) + 1
    return Packing(positions, np.append(borders, len(positions)) if len(positions) else borders)


def _fill(sums: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Where each batch ends, counted in samples that fit."""
    ends: list[int] = []
    end = before = 0
    while end < len(sums):
        end = int(sums.searchsorted(before + limit, side="right"))
        before = int(sums[end - 1])
        ends.append(end)
    return np.array(ends, dtype=np.int64)
