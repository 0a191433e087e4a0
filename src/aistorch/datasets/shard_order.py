"""The order of shards whose samples are not counted: which pieces are this worker's, and how far it is with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from aistorch.config import ShuffleConfig
from aistorch.errors import StateMismatchError
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.protocol import Ordered, whole_number
from aistorch.loading.ranks import World
from aistorch.loading.worker_slots import Share
from aistorch.order.permutation import epoch_permutation
from aistorch.order.shards import Piece, deal_whole, pieces_of_run, run_of_rank, run_of_worker
from aistorch.shards.catalog import Catalog
from aistorch.shards.pieces import Run
from aistorch.shards.window import Window, windows

T = TypeVar("T")


@dataclass
class ShardPlace:
    """Where one iteration is.

    Attributes:
        piece: Number of the piece of this worker that is being read.
        sample: How many samples of it have been handed out; where samples are gathered and shuffled, how many came
            before the gathering.
        window: Number of the gathering.
        taken: How many samples of the gathering have been handed out.
    """

    piece: int = 0
    sample: int = 0
    window: int = 0
    taken: int = 0


@dataclass
class Reading:
    """One iteration: whose it is, and where.

    Attributes:
        epoch: The epoch.
        world: The rank.
        share: The worker.
        place: How far it is.
        process: That of the iteration.
        extensions: Those that the samples of a piece have, with its number: of the place at the beginning, then of
            those that have more. Pieces are opened ahead of the place.
    """

    epoch: int
    world: World
    share: Share
    place: ShardPlace
    process: int = field(default_factory=os.getpid)
    extensions: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def note_extensions(self, piece: int, extensions: Iterable[str]) -> None:
        """Remembers which the samples of a piece have."""
        known = tuple(extensions)
        if not self.extensions or self.extensions[-1][1] != known:
            self.extensions.append((piece, known))

    def extensions_of(self, piece: int) -> tuple[str, ...]:
        """Those that the samples of a piece have."""
        return next(known for number, known in reversed(self.extensions) if number <= piece)


class OrderedByShard(OrderedByPosition):
    """A mixin: deals shards, and parts of them, and counts their samples.

    Where samples can be read by their positions (`counts_samples`), order and state are those of `OrderedByPosition`.
    Else each worker of each rank has pieces of its own, and a state is that of one worker.

    A subclass sets `_gathering` and has a `_catalog`.
    """

    kind: ClassVar[str] = "shards"
    _gathering: ShuffleConfig | None = None
    _reading: Reading | None = None

    @property
    def counts_samples(self) -> bool:
        """Whether samples can be read by their positions."""
        return False

    @property
    def _catalog(self) -> Catalog:
        raise NotImplementedError

    def _start_reading(self) -> Reading:
        """Begins an iteration over pieces."""
        (world, share), epoch = self._slot(), self.next_epoch
        state = self._waiting()
        place = ShardPlace() if state is None else _place_for(state, world, share)
        self._begin()  # now that the state is not refused
        self._reading = Reading(epoch, world, share, place)
        if state is not None and state.get(_EXTENSIONS) is not None:
            self._reading.note_extensions(place.piece, state[_EXTENSIONS])
        return self._reading

    def batches_of_epoch(self, workers: int, batch_size: int | None, drop_last: bool = False) -> int:
        """See `Ordered.batches_of_epoch`."""
        if self.counts_samples:
            return super().batches_of_epoch(workers, batch_size, drop_last)
        return Ordered.batches_of_epoch(self, workers, batch_size, drop_last)

    def samples_of_workers(self, workers: int) -> list[int]:
        """See `Ordered.samples_of_workers`."""
        world, counts = self._world, self._catalog.counts(range(len(self._catalog.shards)))
        shares = [Share(worker, workers) if "workers" in self.split else Share() for worker in range(workers)]
        return [sum(piece.count(counts[piece.shard]) for piece in self._pieces(world, share)) for share in shares]

    def _samples_of_rank(self) -> int:
        """How many samples this rank has in an epoch."""
        catalog, (rank, ranks) = self._catalog, self._world
        counts = catalog.counts(range(len(catalog.shards)))
        if ranks == 1 or self.even != "off":
            return len(run_of_rank(sum(counts), rank, ranks, self.even == "pad"))
        return sum(piece.count(counts[piece.shard]) for piece in deal_whole(self._in_order(), rank, ranks))

    def _in_order(self, epoch: int | None = None) -> list[Piece]:
        """All shards, in the order of an epoch, by default the one under way."""
        shards = np.arange(len(self._catalog.shards))
        if self.shuffle:
            shards = epoch_permutation(len(shards), self.seed, self.epoch if epoch is None else epoch)(shards)
        return [Piece(shard) for shard in shards.tolist()]

    def _pieces(self, world: World, share: Share) -> list[Piece]:
        """What a worker of a rank reads of an epoch, in this order."""
        shards = self._in_order()
        if world.size == 1 or self.even == "off":
            return deal_whole(deal_whole(shards, *world), *share)
        order = [piece.shard for piece in shards]
        counts = self._catalog.counts(order)
        run = run_of_rank(sum(counts), *world, pad=self.even == "pad")
        return list(pieces_of_run(run_of_worker(run, self.batch_size or 1, *share), order, counts))

    def _follow(self, runs: Iterable[Run[T]], reading: Reading, size_of: Callable[[T], int]) -> Iterator[T]:
        """The samples of runs, which begin at the place of a reading; moves that along with them."""
        if self._gathering is None:
            return self._follow_plain(runs, reading.place)
        return self._follow_shuffled(windows(runs, self._gathering, size_of, reading.place.window), reading)

    def _follow_plain(self, runs: Iterable[Run[T]], place: ShardPlace) -> Iterator[T]:
        first_piece, first_sample = place.piece, place.sample
        for run in runs:
            place.piece = first_piece + run.piece
            place.sample = run.first + (first_sample if run.piece == 0 else 0)
            for sample in run.samples:
                place.sample += 1
                yield sample

    def _follow_shuffled(self, gathered: Iterable[Window[T]], reading: Reading) -> Iterator[T]:
        place = reading.place
        first_piece, first_sample, skip = place.piece, place.sample, place.taken
        reader = reading.world.rank + reading.world.size * reading.share.worker
        for window in gathered:
            place.piece = first_piece + window.piece
            place.sample = window.first + (first_sample if window.piece == 0 else 0)
            place.window, place.taken = window.number, skip
            for sample in window.shuffled(self.seed, reading.epoch, reader)[skip:]:
                place.taken += 1
                yield sample
            skip = 0

    def _listing(self) -> dict[str, Any]:
        """What tells whether the shards are the same as before."""
        shards = self._catalog.shards
        return {"count": len(shards), "fingerprint": shards.fingerprint()}

    def _identity(self) -> dict[str, Any]:
        gathering = None if self._gathering is None else list(astuple(self._gathering))
        own = super()._identity() if self.counts_samples else {**Ordered._identity(self), **self._listing()}
        return own | {"gathering": gathering}

    def _position(self) -> dict[str, Any]:
        if self.counts_samples:
            return super()._position()
        if (state := self._waiting()) is not None:
            return {name: state[name] for name in (*_POSITION, _EXTENSIONS) if name in state}
        reading = self._reading
        if reading is None or reading.process != os.getpid() or reading.epoch != self.epoch:
            return {"epoch": self.next_epoch}
        whose = {"rank": reading.world.rank, "world_size": reading.world.size, **reading.share._asdict()}
        return {"epoch": reading.epoch, **whose, **asdict(reading.place), **_extensions_state(reading)}

    def _is_finished(self, state: Mapping[str, Any]) -> bool:
        return self.counts_samples and super()._is_finished(state)

    def _go_to(self, state: Mapping[str, Any]) -> None:
        if self.counts_samples:
            super()._go_to(state)
            return
        if any(name in state for name in _POSITION[1:]):
            for name in _POSITION:
                whole_number(state, name, 1 if name in ("world_size", "workers") else 0)
            if state["piece"] > (shards := self._listing()["count"]):
                raise StateMismatchError(f"the state's piece is {state['piece']}, and there are {shards} shards")
        if "start" in state:
            raise StateMismatchError(
                "the state counts samples, which needs the index of each shard beside it, and these shards lack some: "
                "write them with `aistorch index-shards`, or begin the epoch anew"
            )
        known = state.get(_EXTENSIONS) or []
        if not isinstance(known, list) or not all(isinstance(extension, str) for extension in known):
            raise StateMismatchError(f"the state's {_EXTENSIONS} are no list of texts")


_POSITION = ("epoch", "rank", "world_size", "worker", "workers", "piece", "sample", "window", "taken")
_EXTENSIONS = "extensions"
# Characters of JSON that extensions may take in a state; more are looked up in the shards where it is loaded.
_EXTENSIONS_LIMIT = 256


def _extensions_state(reading: Reading) -> dict[str, Any]:
    """What a state holds of extensions, where samples have them."""
    if not reading.extensions:
        return {}
    known = list(reading.extensions_of(reading.place.piece))
    return {_EXTENSIONS: known if len(json.dumps(known)) <= _EXTENSIONS_LIMIT else None}


def _place_for(state: Mapping[str, Any], world: World, share: Share) -> ShardPlace:
    """The place in a state.

    Raises:
        StateMismatchError: It is that of another rank or worker.
    """
    if "piece" not in state:
        return ShardPlace()
    saved = World(state["rank"], state["world_size"]), Share(state["worker"], state["workers"])
    if saved != (world, share):
        was, here = (
            f"worker {w.worker} of {w.workers} of rank {r.rank} of {r.size}" for r, w in (saved, (world, share))
        )
        raise StateMismatchError(
            f"the state was saved by {was}, and cannot be gone on with by {here}: of shards without an index "
            "beside them it is not known where samples lie, so each worker has parts of its own. Go on with as many "
            "ranks and workers, or begin the epoch anew. With indices, as `aistorch index-shards` writes them, any "
            "number goes on"
        )
    return ShardPlace(*(state[name] for name in ("piece", "sample", "window", "taken")))
