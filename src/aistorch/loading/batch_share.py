"""This rank's part of a list of batches that all ranks know, and how far it is with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aistorch.loading.ranks import World
from aistorch.order.partition import Deal, Even


@dataclass(frozen=True)
class BatchPlace:
    """A place in an epoch.

    Attributes:
        epoch: Which epoch.
        start: So many of its batches, counted over all ranks, were read before.
    """

    epoch: int = 0
    start: int = 0


@dataclass
class BatchShare:
    """What one iteration hands out.

    Attributes:
        begun: Where it began.
        count: How many batches the epoch has, over all ranks.
        world: This rank.
        even: What becomes of batches that are too few for all ranks.
        for_all: Someone else shares: the batches of all ranks, in turn, are handed out.
        handed_out: How many were.
        open: Whether it goes on.
    """

    begun: BatchPlace
    count: int
    world: World
    even: Even
    for_all: bool = False
    handed_out: int = 0
    open: bool = True

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Which batches, in order."""
        if not self.for_all:
            return self._of(self.world.rank)
        if self.even == "off":
            return np.arange(self.begun.start, self.count)
        return np.stack([self._of(rank) for rank in range(self.world.size)], axis=1).reshape(-1)

    def __len__(self) -> int:
        """How many batches this rank gets."""
        return self._deal.batches_of(self.world.rank)

    @property
    def left(self) -> int:
        """How many of them are still to come."""
        return max(0, len(self) - self._taken)

    def now(self) -> BatchPlace:
        """Where all ranks are once each of them has been handed out as many as this one."""
        if not self.open and not self.left:
            return _next(self.begun)
        return self.after(self._taken)

    def after(self, batches: int) -> BatchPlace:
        """Where all ranks are once each of them has had so many: after the last, at the start of the next epoch."""
        read = self._deal.consumed(batches)
        if read >= self.count or batches >= self._deal.batches_of(0):
            return _next(self.begun)
        return replace(self.begun, start=read)

    @property
    def _taken(self) -> int:
        """How many batches of this rank were handed out, those of other ranks left out."""
        if not self.for_all:
            return self.handed_out
        return (self.handed_out + self.world.size - 1 - self.world.rank) // self.world.size

    def _of(self, rank: int) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(0, np.int64), *self._deal.positions(rank)])

    @property
    def _deal(self) -> Deal:
        return Deal(self.count, ranks=self.world.size, even=self.even, start=self.begun.start)


def _next(place: BatchPlace) -> BatchPlace:
    return BatchPlace(place.epoch + 1)
