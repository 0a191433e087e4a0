"""Which batches an epoch has, where they are made by cost: the same plan on every rank."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aistorch.order.buckets import bucket_edges, by_bucket
from aistorch.order.packing import Costs, Packing, pack
from aistorch.order.permutation import epoch_permutation

_ATTEMPTS = 16
# The numbers of batches of orders lie around their mean within a part of its square root.
_SPARE = 8
_ORDER_OF_BATCHES = -1


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Batches by cost, of any epoch.

    Shuffled orders need more batches or fewer. Here all epochs have as many, since training loops ask once and hold on
    to it: Lightning leaves out what an epoch has more than the first one, and schedules count steps. An order that
    needs too many is replaced by another one; where it needs fewer, batches with the most samples are halved.

    Attributes:
        costs: Of the samples.
        limit: What the costs of a batch may come to.
        padded: What the largest of them times their number may come to.
        saturation: The last batch that is filled is left out where it reaches less than this part of each limit.
        keep_oversized: Make a batch of each sample beyond a limit; without it, they are left out.
        buckets: Into how many buckets the samples are put by cost, so that those of a batch cost about the same.
        shuffle: Another order and other batches in each epoch.
        seed: What these depend on besides the epoch.
    """

    costs: Costs
    limit: float = math.inf
    padded: float = math.inf
    saturation: float = 0
    keep_oversized: bool = False
    buckets: int = 1
    shuffle: bool = False
    seed: int = 0

    @cached_property
    def count(self) -> int:
        """How many batches each epoch has."""
        first = self._packed(0, 0)
        spare = math.isqrt(len(first)) // _SPARE if self.shuffle else 0
        return min(len(first) + spare, len(first.positions))

    def batches(self, epoch: int) -> Packing:
        """The batches of an epoch, in their order."""
        packed = self._packed(0, 0) if not self.shuffle else self._shuffled(epoch)
        packed = packed.split_to(self.count)
        if self.buckets < 2:
            return packed
        if self.shuffle:
            return packed.in_order(self._order(len(packed), epoch, _ORDER_OF_BATCHES))
        firsts = np.minimum.reduceat(packed.positions, packed.starts) if len(packed) else packed.ends
        return packed.in_order(np.argsort(firsts))

    def _shuffled(self, epoch: int) -> Packing:
        for attempt in range(_ATTEMPTS):
            packed = self._packed(epoch, attempt)
            if len(packed) <= self.count <= len(packed.positions):
                return packed
        # The batches of the first epoch, of which so many can be made for sure.
        first = self._packed(0, 0)
        return first.in_order(self._order(len(first), epoch, _ORDER_OF_BATCHES))

    def _packed(self, epoch: int, attempt: int) -> Packing:
        order = self._order(len(self.costs), epoch, attempt) if self.shuffle else np.arange(len(self.costs))
        if self.buckets > 1:
            order = order[by_bucket(self.costs[order], self._edges)]
        packed = pack(
            self.costs[order],
            self.limit,
            padded=self.padded,
            saturation=self.saturation,
            keep_oversized=self.keep_oversized,
        )
        return replace(packed, positions=order[packed.positions])

    def _order(self, count: int, epoch: int, number: int) -> NDArray[np.int64]:
        """A shuffle of its own for each number; that of 0 is the one of all datasets with this seed."""
        seed = self.seed
        if number:
            seed = int.from_bytes(hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest(), "big")
        return epoch_permutation(count, seed, epoch)(np.arange(count))

    @cached_property
    def _edges(self) -> Costs:
        return bucket_edges(self.costs[self.costs <= min(self.limit, self.padded)], self.buckets)
