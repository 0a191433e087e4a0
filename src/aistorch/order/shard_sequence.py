"""The samples of shards as one sequence, in the order of an epoch: which position stands for which sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.order.permutation import epoch_permutation
from aistorch.order.shards import Piece


@dataclass(frozen=True, eq=False)
class ShardSequence:
    """The samples of an epoch, counted through all shards; where they are shuffled, within windows of the sequence.

    Position p is sample p of the shards in `shards`, one after another. With a window, the positions of window number
    w (`w * window` up to `(w + 1) * window`) stand for the same samples in another order, which depends on seed, epoch
    and w alone: so any number of readers agree on it.

    Attributes:
        shards: The shards in the order in which they are read.
        ends: Where each of them ends: samples, counted through.
        window: Samples that are shuffled with one another; 1: none.
        seed: What the order depends on besides the epoch.
        epoch: The epoch.
    """

    shards: NDArray[np.int64]
    ends: NDArray[np.int64]
    window: int = 1
    seed: int = 0
    epoch: int = 0

    def __len__(self) -> int:
        """How many samples there are."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def gathers(self, blocks: Iterable[NDArray[np.int64]]) -> Iterator[Gather]:
        """What is read for these positions, a window at a time; without windows, a block at a time."""
        if self.window == 1:
            for block in blocks:
                yield Gather(*self._pieces(block), None)
            return
        for positions in self._by_window(blocks):
            found, order = np.unique(self._samples_at(positions), return_inverse=True)
            yield Gather(*self._pieces(found), order)

    def _by_window(self, blocks: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
        """The same positions, those of a window together."""
        begun: list[NDArray[np.int64]] = []
        for block in blocks:
            for positions in np.split(block, np.flatnonzero(np.diff(block // self.window)) + 1):
                if begun and begun[-1][-1] // self.window != positions[0] // self.window:
                    yield np.concatenate(begun)
                    begun.clear()
                begun.append(positions)
        if begun:
            yield np.concatenate(begun)

    def _samples_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The samples, counted through, at positions of one window."""
        number = int(positions[0]) // self.window
        first = number * self.window
        # As a reader that is alone has it (`shards.window`), so that an index does not change its order.
        key = xxhash.xxh64_intdigest(f"{self.seed} 0 {number}".encode()) >> 1
        shuffled = epoch_permutation(min(self.window, len(self) - first), key, self.epoch)
        return first + shuffled(positions - first)

    def _pieces(self, samples: NDArray[np.int64]) -> tuple[list[Piece], list[int]]:
        """Samples, counted through, as pieces of shards, and how many of them each piece has."""
        at = np.searchsorted(self.ends, samples, side="right")
        breaks = np.flatnonzero((np.diff(samples) != 1) | (np.diff(at) != 0)) + 1
        begins, stops = np.append(0, breaks), np.append(breaks, len(samples))
        starts = np.append(0, self.ends[:-1])
        firsts = (samples - starts[at])[begins].tolist()
        lengths, counts = (stops - begins).tolist(), (self.ends - starts)[at[begins]].tolist()
        numbers = self.shards[at[begins]].tolist()
        pieces = [
            # What goes on to the end of its shard takes the rest, so that more samples than were counted are noticed.
            Piece(shard, first, 1, None if first + length == count else first + length)
            for shard, first, length, count in zip(numbers, firsts, lengths, counts, strict=True)
        ]
        return pieces, lengths


@dataclass(frozen=True, eq=False)
class Gather:
    """Pieces of shards that are read one after another, and the order in which their samples are handed out.

    Attributes:
        pieces: In the order of the shards.
        order: The number of each sample that is handed out, among those read; None: as they are read.
        counts: How many of them are of each piece.
    """

    pieces: list[Piece]
    counts: list[int]
    order: NDArray[np.int64] | None

    @property
    def samples(self) -> int:
        """How many samples are read."""
        return sum(self.counts)
