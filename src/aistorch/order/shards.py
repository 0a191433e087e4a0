"""Which samples of which shards a reader takes: one DataLoader worker of one rank."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate


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
