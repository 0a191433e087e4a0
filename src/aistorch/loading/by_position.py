"""The order of samples that can be counted: which positions are this worker's, and how far it is with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import StateMismatchError
from aistorch.loading.protocol import Ordered, whole_number
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
    """A mixin: deals the positions of an epoch, and counts them.

    A subclass replaces `_count`, `_fingerprint` and, where its samples can be read by position, `read_positions`;
    begins with `_start`, and adds to the `taken` of the place that it gets for each sample that it hands out.
    """

    kind: ClassVar[str] = "objects"
    _latest: Place | None = None

    def _count(self) -> int:
        """How many samples an epoch has."""
        raise NotImplementedError

    def _fingerprint(self) -> str | None:
        """What tells whether they are the same as before."""
        raise NotImplementedError

    def read_positions(self, epoch: int, blocks: Iterable[NDArray[np.int64]]) -> Iterator[Any]:
        """The samples at these positions of an epoch, in this order; rises through the epoch but for what is padded.

        Args:
            epoch: Which epoch.
            blocks: Positions, some at a time.
        """
        raise NotImplementedError

    @property
    def counts_samples(self) -> bool:
        """Whether what it hands out are these samples one by one, so that their number tells the place."""
        return True

    def place(self) -> Cursor:
        """Where the next iteration of this rank begins."""
        state, size = self._waiting(), self._world.size
        return Cursor(self._epochs.next, ranks=size) if state is None else _cursor(state, size)

    def state_after(self, begun: Cursor, samples: int) -> dict[str, Any]:
        """The state of this rank once it has been given so many samples from `begun` on."""
        return self._state(_numbers(self._after(begun, samples, self._world.rank)))

    def compared(self) -> tuple[str, dict[str, Any]] | None:
        """See `Ordered.compared`; where in the epoch they begin, too."""
        common = super().compared()
        if common is None or not self.counts_samples:
            return common
        begun = self.place()
        return common[0], common[1] | {"start": begun.start, "taken": begun.taken}

    def samples_of_epoch(self) -> int:
        """How many samples this rank has in an epoch."""
        world = self._world
        return self._deal(Cursor(ranks=world.size)).samples_of(world.rank)

    def batches_of_epoch(self, workers: int, batch_size: int | None, drop_last: bool = False) -> int:  # noqa: ARG002
        """See `Ordered.batches_of_epoch`; any number of workers make the same batches."""
        world = self._world
        deal = replace(self._deal(Cursor(ranks=world.size)), batch_size=batch_size or 1, drop_last=drop_last)
        return deal.batches_of(world.rank)

    def samples_after(self, begun: Cursor, samples: int = 0) -> int:
        """How many samples this rank has still once it has been given so many from `begun` on."""
        return max(0, self._deal(begun).samples_of(self._world.rank) - begun.taken - samples)

    def remainder(self, begun: Cursor) -> int:
        """How many samples the last batches of all ranks have where some are repeated to make them even; else 0."""
        return self._deal(begun).remainder

    def _start(self, share: Share | None = None) -> Place:
        """Begins an iteration, by default that of the worker that asks."""
        slot = self._slot()
        begun = self.place()  # before the state is used up: it may be refused
        state = self._begin()
        before = 0 if state is None else state.get("worker_taken", 0)
        self._latest = Place(begun, slot.world, slot.share if share is None else share, before)
        return self._latest

    def _positions(self, place: Place, block: int) -> Iterator[NDArray[np.int64]]:
        """The indices of one worker, in the order in which it hands them out, about `block` at once."""
        return map(self._shuffled(place.begun.epoch), self._dealt(place, block))

    def _shuffled(self, epoch: int) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
        """Makes indices of the positions of an epoch."""
        return epoch_permutation(self._count(), self.seed, epoch) if self.shuffle else lambda positions: positions

    def _dealt(self, place: Place, block: int) -> Iterator[NDArray[np.int64]]:
        """The positions of one worker, in the order in which it hands them out, about `block` at once."""
        deal, (worker, workers) = self._deal(place.begun), place.share
        batches, rest = divmod(place.begun.taken, deal.batch_size)
        # A worker has taken whole batches of its own, and a part of the next; that which its rank was in the midst of
        # when this began is worker 0's.
        own, part = divmod(place.before + (rest if worker == 0 else 0), deal.batch_size)
        skip = (batches + own * workers) * deal.batch_size
        for positions in deal.positions(place.world.rank, worker, workers, skip=skip, block=block):
            if len(wanted := positions[part:]):
                yield wanted
            part = 0

    def _unit(self, ranks: int) -> int:  # noqa: ARG002
        """How many samples are dealt together to so many ranks."""
        return self.batch_size or 1

    def _deal(self, begun: Cursor) -> Deal:
        return Deal(self._count(), self._unit(begun.ranks), begun.ranks, self.even, self._drop_last, begun.start)

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

    def _is_finished(self, state: Mapping[str, Any]) -> bool:
        return "workers" not in state and 0 < self._count() <= int(state["start"])

    def _go_to(self, state: Mapping[str, Any]) -> None:
        Cursor.from_dict(state)
        count = self._count()
        for name in ("start", "taken", "worker_taken"):
            number = state.get(name)
            if isinstance(number, int) and number > count:
                raise StateMismatchError(f"the state's {name} is {number}, and an epoch has {count} samples")
        if "workers" not in state:
            return
        here, saved = self._share, Share(*(whole_number(state, name) for name in ("worker", "workers")))
        whole_number(state, "worker_taken")
        if saved != here:
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
