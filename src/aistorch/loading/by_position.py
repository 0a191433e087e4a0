"""The order of single objects: which positions of the listing are this worker's, and how far it is with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import StateMismatchError
from aistorch.loading.protocol import Ordered
from aistorch.loading.ranks import World
from aistorch.loading.worker_slots import Share
from aistorch.order.cursor import Cursor
from aistorch.order.partition import Deal
from aistorch.order.permutation import epoch_permutation


@dataclass
class Place:
    """Where one iteration is.

    Attributes:
        begun: Where the rank began it.
        world: The rank.
        share: The worker.
        before: How many samples this worker had taken before, of those from `begun` on.
        taken: How many it has taken in this iteration.
        process: That of the iteration.
    """

    begun: Cursor
    world: World
    share: Share
    before: int = 0
    taken: int = 0
    process: int = field(default_factory=os.getpid)

    def is_start(self) -> bool:
        """Whether the iteration began with the epoch."""
        return not (self.begun.start or self.begun.taken or self.before)


class OrderedByPosition(Ordered):
    """A mixin: deals the positions of a listing, and counts them.

    A subclass replaces `_count` and `_fingerprint`, begins with `_start`, and adds to the `taken` of the place that it
    gets for each sample that it hands out.
    """

    kind: ClassVar[str] = "objects"
    _latest: Place | None = None

    def _count(self) -> int:
        """How many objects there are."""
        raise NotImplementedError

    def _fingerprint(self) -> str | None:
        """What tells whether they are the same as before."""
        raise NotImplementedError

    @property
    def counts_samples(self) -> bool:
        """Whether what it hands out are these samples one by one, so that their number tells the place."""
        return True

    def place(self) -> Cursor:
        """Where the next iteration of this rank begins."""
        state, size = self._waiting(), self._world.size
        return Cursor(self.epoch, ranks=size) if state is None else _cursor(state, size)

    def state_after(self, begun: Cursor, samples: int) -> dict[str, Any]:
        """The state of this rank once it has been given so many samples from `begun` on."""
        return self._state(_numbers(self._after(begun, samples, self._world.rank)))

    def _samples_left(self) -> int:
        """How many samples the next iteration of this rank has."""
        begun = self.place()
        return max(0, self._deal(begun).samples_of(self._world.rank) - begun.taken)

    def _start(self, share: Share) -> Place:
        """Begins an iteration."""
        begun = self.place()  # before the state is used up: it may be refused
        state = self._begin()
        before = 0 if state is None else state.get("worker_taken", 0)
        self._latest = Place(begun, self._world, share, before)
        return self._latest

    def _positions(self, place: Place, block: int) -> Iterator[NDArray[np.int64]]:
        """The positions of one worker, in the order in which it hands them out, about `block` at once."""
        deal, (worker, workers) = self._deal(place.begun), place.share
        batches, rest = divmod(place.begun.taken, deal.batch_size)
        # A worker has taken whole batches of its own, and a part of the next; that which its rank was in the midst of
        # when this began is worker 0's.
        own, part = divmod(place.before + (rest if worker == 0 else 0), deal.batch_size)
        skip = (batches + own * workers) * deal.batch_size
        shuffled = epoch_permutation(deal.count, self.seed, place.begun.epoch)
        for positions in deal.positions(place.world.rank, worker, workers, skip=skip, block=block):
            if len(wanted := positions[part:]):
                yield shuffled(wanted) if self.shuffle else wanted
            part = 0

    def _deal(self, begun: Cursor) -> Deal:
        return Deal(self._count(), self.batch_size or 1, begun.ranks, self.even, self._drop_last, begun.start)

    def _after(self, begun: Cursor, samples: int, rank: int) -> Cursor:
        deal = self._deal(begun)
        if begun.taken + samples < deal.samples_of(rank):
            return begun.advance(samples).normalised(deal.batch_size)
        # At the end of its part: that of the epoch where no other rank gets a batch more.
        batches = deal.batches_of(rank)
        end = deal.count if batches == deal.batches_of(0) else deal.consumed(batches)
        return Cursor(begun.epoch, end, begun.ranks)

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"count": self._count(), "fingerprint": self._fingerprint()}

    def _position(self) -> dict[str, Any]:
        place, state = self._latest, self._waiting()
        if state is not None:
            return {name: state[name] for name in (*_NUMBERS, *_OF_WORKER) if name in state}
        if place is None or place.process != os.getpid() or place.begun.epoch != self.epoch:
            return _numbers(self.place())
        if place.share.workers == 1:
            return _numbers(self._after(place.begun, place.taken, place.world.rank))
        own = dict(zip(_OF_WORKER, (*place.share, place.before + place.taken), strict=True))
        return _numbers(place.begun) | own

    def _go_to(self, state: Mapping[str, Any]) -> None:
        Cursor.from_dict(state)
        here = Share.of_this_process()
        saved = Share(state.get("worker", 0), state.get("workers", 1))
        if "workers" in state and saved != here:
            raise StateMismatchError(
                f"the state is that of worker {saved.worker} of {saved.workers}, and cannot be loaded by worker "
                f"{here.worker} of {here.workers}: load it with as many workers, or save that of an AISDataLoader, "
                "which holds for any number of them"
            )


_NUMBERS = ("epoch", "start", "world_size", "taken")
_OF_WORKER = ("worker", "workers", "worker_taken")


def _numbers(cursor: Cursor) -> dict[str, Any]:
    return {name: number for name, number in cursor.to_dict().items() if name in _NUMBERS}


def _cursor(state: Mapping[str, Any], ranks: int) -> Cursor:
    """The rank's place in a state.

    Raises:
        StateMismatchError: It does not hold for so many ranks.
    """
    cursor = Cursor.from_dict(state)
    if state.get("worker_taken") and cursor.ranks != ranks:
        raise StateMismatchError(
            f"the state of a worker was saved by {cursor.ranks} ranks, and cannot be gone on with by {ranks}: "
            "save that of an AISDataLoader, which holds for any number of them"
        )
    return cursor.for_world(ranks)
