"""Which samples of which shards a reader takes: one DataLoader worker of one rank."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.order.permutation import epoch_permutation


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples `first`, `first + step`, ... of a shard, those before `stop`.

    Attributes:
        shard: Which shard, as the caller counts them.
        first: The first sample taken, counted from 0 in the shard.
        step: From one sample taken to the next.
        stop: Where it ends; None: with the shard.
    """

    shard: int
    first: int = 0
    step: int = 1
    stop: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it takes all samples."""
        return self.first == 0 and self.step == 1 and self.stop is None

    @property
    def takes_rest(self) -> bool:
        """Whether it is read from the shard's beginning to its end, however many samples that has."""
        return self.stop is None and self.first < self.step

    def count(self, samples: int) -> int:
        """How many it takes of a shard that has so many."""
        return len(range(self.first, samples if self.stop is None else min(self.stop, samples), self.step))

    def after(self, samples: int) -> Piece:
        """What remains of it after so many samples of its own."""
        return Piece(self.shard, self.first + self.step * samples, self.step, self.stop)

    def part(self, number: int, parts: int) -> Piece:
        """Every `parts`-th of its samples, beginning with number `number`."""
        return Piece(self.shard, self.first + self.step * number, self.step * parts, self.stop)


def deal_whole(pieces: Sequence[Piece], reader: int, readers: int) -> list[Piece]:
    """Every `readers`-th piece; where there are fewer pieces than readers, several readers share one.

    Needs no knowledge of how many samples a shard has, and gives some readers more of them than others.
    """
    if len(pieces) >= readers:
        return list(pieces[reader::readers])
    if not pieces:
        return []
    chosen = reader % len(pieces)
    sharing = len(range(chosen, readers, len(pieces)))
    return [pieces[chosen].part(reader // len(pieces), sharing)]


def run_of_rank(samples: int, rank: int, ranks: int, pad: bool) -> range:
    """The positions that a rank takes of all samples, as many as every other rank.

    With `pad` it may go past the end, which stands for the beginning; fewer than `ranks` samples are repeated. Without,
    fewer than `ranks` are left out.
    """
    length = -(-samples // ranks) if pad else samples // ranks
    return range(rank * length, (rank + 1) * length)


def run_of_worker(run: range, batch_size: int, worker: int, workers: int) -> range:
    """A worker's part of its rank's run: whole batches, so that at most one worker has a partial one, at the end."""
    batches = -(-len(run) // batch_size)
    first, stop = (batches * number // workers * batch_size for number in (worker, worker + 1))
    return run[first:stop]


def pieces_of_run(run: range, shards: Sequence[int], counts: Sequence[int]) -> Iterator[Piece]:
    """The pieces that make a run of the samples of these shards, one shard after another.

    Args:
        run: Positions; those past the last sample begin again with the first.
        shards: The shards in the order in which they are read.
        counts: How many samples each of them has.
    """
    ends = list(accumulate(counts))
    total = ends[-1] if ends else 0
    position = run.start
    while total and position < run.stop:
        at = position % total
        number = bisect_right(ends, at)
        first = at - (ends[number] - counts[number])
        stop = min(counts[number], first + run.stop - position)
        yield Piece(shards[number], first, 1, stop)
        position += stop - first


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
