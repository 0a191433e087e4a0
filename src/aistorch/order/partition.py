"""Which positions of an epoch each worker of each rank reads, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import InvalidArgumentError

Even = Literal["pad", "drop", "off"]


@dataclass(frozen=True)
class Deal:
    """Deals batches of positions to ranks, and each rank's batches to its workers.

    Of the positions from `start` on, batch g is rank g % ranks's: its batch b = g // ranks, read by its worker
    b % workers. A DataLoader takes a batch from each worker in turn, so it yields the batches of its rank in global
    order, whatever the number of workers.

    A round is one batch for each rank. Where too few positions are left for a whole round, `even` says what becomes
    of them:

    - `"pad"`: each rank gets a piece of the same length; what the last ones lack is repeated from the start of the
      epoch, as `torch.utils.data.DistributedSampler` does: fewer than `ranks` in all.
    - `"drop"`: each rank gets a piece of the same length; fewer than `ranks` are left out.
    - `"off"`: batches are dealt in turn as before, the last one is shorter; ranks may get a batch more than others.

    With one rank nothing is repeated or left out.

    Attributes:
        count: How many positions the epoch has: 0 ... count-1.
        batch_size: Positions a batch.
        ranks: How many processes share the epoch.
        even: Whether all ranks get as many.
        drop_last: Leave out a rank's last batch where it is shorter than `batch_size`.
        start: Positions before it were read by an earlier run, and are not dealt.

    Raises:
        InvalidArgumentError: A number is too small, or `even` is none of the three.
    """

    count: int
    batch_size: int = 1
    ranks: int = 1
    even: Even = "pad"
    drop_last: bool = False
    start: int = 0

    def __post_init__(self) -> None:
        for name, least in (("count", 0), ("batch_size", 1), ("ranks", 1), ("start", 0)):
            if getattr(self, name) < least:
                raise InvalidArgumentError(f"{name} is {getattr(self, name)}, and has to be at least {least}")
        if self.even not in get_args(Even):
            raise InvalidArgumentError(f"even is {self.even!r}, and has to be one of {', '.join(get_args(Even))}")

    def batches_of(self, rank: int) -> int:
        """How many batches this rank gets."""
        return self._rounds + (self._last_batch(rank) > 0)

    def samples_of(self, rank: int) -> int:
        """How many positions this rank gets."""
        return self._rounds * self.batch_size + self._last_batch(rank)

    def consumed(self, batches: int) -> int:
        """Where a new deal starts (its `start`), once every rank has taken so many batches of this one."""
        return min(self.count, self.start + batches * self.ranks * self.batch_size)

    def positions(
        self, rank: int, worker: int = 0, workers: int = 1, *, skip: int = 0, block: int = 65536
    ) -> Iterator[NDArray[np.int64]]:
        """The positions of one worker, in the order in which it has to yield them.

        Args:
            rank: Of `ranks`.
            worker: Of `workers`.
            workers: How many processes read for this rank; one that reads for itself is the only one.
            skip: How many positions this rank has taken already, in all. Worker 0 goes on with the batch in which
                that ends, if need be with the rest of it, since a new DataLoader begins with worker 0.
            block: About how many positions to compute at once.

        Yields:
            Arrays of whole batches, `block` long or one batch where that is longer; the first and the last may be
            shorter.

        Raises:
            InvalidArgumentError: There is no such rank or worker, or `skip` is negative.
        """
        _check_part("rank", rank, self.ranks)
        _check_part("worker", worker, workers)
        if skip < 0:
            raise InvalidArgumentError(f"skip is {skip}, and cannot be negative")
        return self._blocks(rank, worker, workers, skip, block)

    def _blocks(self, rank: int, worker: int, workers: int, skip: int, block: int) -> Iterator[NDArray[np.int64]]:
        begun, taken = divmod(skip, self.batch_size)
        own = range(begun + worker, self._rounds, workers)
        at_once = max(1, block // self.batch_size)
        for first in range(0, len(own), at_once):
            part = own[first : first + at_once]
            batches = np.arange(part.start, part.stop, part.step, dtype=np.int64)
            firsts = self.start + (batches * self.ranks + rank) * self.batch_size
            found = (firsts[:, None] + np.arange(self.batch_size)).reshape(-1)
            yield found[taken:] if part.start == begun else found
        last = self._rounds
        if last >= begun and (last - begun) % workers == worker:
            rest = self._last_positions(rank)[taken if last == begun else 0 :]
            if len(rest):
                yield rest

    @property
    def remainder(self) -> int:
        """How many positions are dealt in the last round, if some are repeated in it; 0 where none are."""
        over = self._left % self._round
        repeats = self.even == "pad" and over % self.ranks and self._last_batch(0)
        return over if repeats else 0

    @property
    def _round(self) -> int:
        """Positions in a whole round."""
        return self.ranks * self.batch_size

    @property
    def _left(self) -> int:
        """How many positions are dealt in all."""
        return max(0, self.count - self.start)

    @property
    def _rounds(self) -> int:
        """How many rounds are whole: as many batches of full size does each rank get."""
        return self._left // self._round

    @property
    def _last_share(self) -> int:
        """How many positions apart ranks begin in the round that is not whole."""
        over = self._left % self._round
        if self.even == "off":
            return self.batch_size
        return -(-over // self.ranks) if self.even == "pad" else over // self.ranks

    def _last_batch(self, rank: int) -> int:
        """How many positions this rank gets of the round that is not whole."""
        _check_part("rank", rank, self.ranks)
        share = self._last_share
        if self.even == "off":
            share = min(share, max(0, self._left % self._round - rank * share))
        return 0 if self.drop_last and share < self.batch_size else share

    def _last_positions(self, rank: int) -> NDArray[np.int64]:
        first = self.start + self._rounds * self._round + rank * self._last_share
        return np.arange(first, first + self._last_batch(rank), dtype=np.int64) % max(1, self.count)


def _check_part(name: str, number: int, of: int) -> None:
    if not 0 <= number < of:
        raise InvalidArgumentError(f"{name} {number} of {of}: numbers go from 0 to {of - 1}")
