"""Samples packed into batches by their costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Costs: TypeAlias = NDArray[np.int64] | NDArray[np.float64]
_BLOCK = 1 << 16
# Sums of whole numbers below it fit 64 bits, the one of a limit and all costs included.
_EXACT = 2.0**61


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

    def __getitem__(self, number: int) -> NDArray[np.int64]:
        """The positions of batch `number`, counted from 0."""
        return self.positions[self.ends[number - 1] if number else 0 : self.ends[number]]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[number] for number in range(len(self)))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many positions each batch has."""
        return np.diff(self.ends, prepend=0)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each batch begins in `positions`."""
        return self.ends - self.sizes

    def in_order(self, numbers: NDArray[np.int64]) -> Packing:
        """The batches of these numbers, in this order."""
        sizes = self.sizes[numbers]
        ends = np.cumsum(sizes, dtype=np.int64)
        shifts = np.repeat(self.starts[numbers] - (ends - sizes), sizes)
        return Packing(self.positions[shifts + np.arange(len(shifts))], ends)

    def split_to(self, count: int) -> Packing:
        """The same positions in `count` batches: those with the most positions are halved until there are as many."""
        ends, sizes = self.ends, self.sizes
        while len(ends) < count <= len(self.positions):
            most = np.argsort(-sizes, kind="stable")[: count - len(ends)]
            halved = most[sizes[most] > 1]
            ends = np.sort(np.append(ends, ends[halved] - sizes[halved] // 2))
            sizes = np.diff(ends, prepend=0)
        return Packing(self.positions, ends)


def pack(
    costs: Costs,
    limit: float = math.inf,
    *,
    padded: float = math.inf,
    saturation: float = 0,
    keep_oversized: bool = False,
) -> Packing:
    """Fills one batch after another, in the order of the samples, each with as many as fit.

    Args:
        costs: Of the samples, in their order.
        limit: What the costs of a batch may come to.
        padded: What a batch may come to once each of its samples is as long as the longest: that one's cost times
            their number.
        saturation: The last batch is left out where it reaches less than this part of each limit.
        keep_oversized: Make a batch of each sample that no batch may have, there where it stands, while the batch that
            is being filled stays open; without it, they are left out.
    """
    fitting = np.flatnonzero(costs <= min(limit, padded))
    fill = _Fill.of(costs[fitting], limit, padded)
    if len(fill.ends) and not fill.reaches(saturation):
        fill = fill.without_last()
    if keep_oversized and len(fitting) < len(costs):
        return _with_oversized(len(costs), fitting, fill)
    return Packing(fitting[: fill.ends[-1] if len(fill.ends) else 0], fill.ends)


@dataclass(frozen=True, eq=False)
class _Fill:
    """Batches of samples that fit.

    Attributes:
        ends: Where each ends, counted in samples that fit.
        sums: What each costs.
        lengths: What each costs once it is padded.
        limit: See `pack`.
        padded: See `pack`.
    """

    ends: NDArray[np.int64]
    sums: Costs
    lengths: Costs
    limit: float
    padded: float

    @classmethod
    def of(cls, costs: Costs, limit: float, padded: float) -> _Fill:
        # A sum of whole numbers is the same in any order, so that numpy may make it of all.
        exact = costs.dtype.kind == "i" and float(costs.sum(dtype=np.float64)) < _EXACT
        ends = _fill_by_sums(costs, limit) if exact and padded == math.inf else _fill(costs, limit, padded)
        sizes = np.diff(ends, prepend=0)
        starts = ends - sizes
        if not len(ends):
            return cls(ends, costs, costs, limit, padded)
        return cls(ends, np.add.reduceat(costs, starts), np.maximum.reduceat(costs, starts) * sizes, limit, padded)

    def reaches(self, saturation: float) -> bool:
        """Whether the last batch has this part of a limit."""
        if not saturation:
            return True
        return bool(self.sums[-1] >= saturation * self.limit or self.lengths[-1] >= saturation * self.padded)

    def without_last(self) -> _Fill:
        return _Fill(self.ends[:-1], self.sums[:-1], self.lengths[:-1], self.limit, self.padded)


def _with_oversized(count: int, fitting: NDArray[np.int64], fill: _Fill) -> Packing:
    """The batches with those of one sample each among them, in the order in which they are complete."""
    ends = fill.ends
    # A full batch is there with its last sample, one with room left with the next sample that does not fit in it.
    full = (fill.sums == fill.limit) | (fill.lengths == fill.padded)
    last, following = fitting[ends - 1], np.append(fitting, count)[ends]
    times = np.arange(count, dtype=np.int64) * 2
    times[fitting] = -1
    times[fitting[: ends[-1] if len(ends) else 0]] = np.repeat(
        np.where(full, 2 * last + 1, 2 * following), np.diff(ends, prepend=0)
    )
    positions = np.argsort(times, kind="stable")[int((times < 0).sum()) :]
    borders = np.flatnonzero(np.diff(times[positions])) + 1
    return Packing(positions, np.append(borders, len(positions)) if len(positions) else borders)


def _fill_by_sums(costs: Costs, limit: float) -> NDArray[np.int64]:
    """Where each batch ends: for each sample numpy looks up where a batch that begins there would, all at once."""
    sums = np.cumsum(costs, dtype=np.int64)
    most = int(min(limit, max(1, int(sums[-1])))) if len(sums) else 0
    following = np.searchsorted(sums, sums - costs + most, side="right").data
    ends: list[int] = []
    end = 0
    while end < len(sums):
        end = following[end]
        ends.append(end)
    return np.array(ends, dtype=np.int64)


def _fill(costs: Costs, limit: float, padded: float) -> NDArray[np.int64]:
    """Where each batch ends, sample by sample: a batch's longest sample depends on where it begins.

    Sums begin anew with each batch, so that they are rounded as those of the batch alone.
    """
    ends: list[int] = []
    total = longest = start = position = 0
    for first in range(0, len(costs), _BLOCK):
        for cost in costs[first : first + _BLOCK].tolist():
            total += cost
            if cost > longest:
                longest = cost
            if total > limit or longest * (position - start + 1) > padded:
                ends.append(position)
                total, longest, start = cost, cost, position
            position += 1
    return np.array([*ends, position] if position else ends, dtype=np.int64)
