"""Several iterable datasets as one, in fixed proportions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar, Literal, cast, get_args

import numpy as np
import xxhash
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from aistorch.datasets.turns import Turns
from aistorch.errors import ArgumentTypeError, InvalidArgumentError, ShardError, StateMismatchError
from aistorch.loading.by_position import OrderedByPosition, Place
from aistorch.loading.epochs import LIMIT
from aistorch.loading.protocol import Ordered
from aistorch.loading.split import Split, SplitMixin
from aistorch.loading.worker_state import load
from aistorch.order.cursor import Cursor
from aistorch.order.mixing import MixedSequence, MixPlan
from aistorch.order.partition import Even

Stop = Literal["first", "all", "never"]
_END = object()
_LISTS = ("active", "counts", "given", "passes", "datasets")


@dataclass
class _Place:
    """Where an iteration is; a list has an entry for each dataset, unless it says otherwise.

    Attributes:
        epoch: In which the iteration began.
        active: The numbers of the datasets that are still mixed.
        counts: How many samples each of `active` has given since there were as many of them.
        given: How many samples each has given in all.
        passes: How many times each has come to its end and begun again.
        datasets: The state in which each is to begin, None for its start.
        process: That of the iteration.
        started: The datasets that have begun.
    """

    epoch: int
    active: list[int]
    counts: list[int]
    given: list[int]
    passes: list[int]
    datasets: list[Any]
    process: int = field(default_factory=os.getpid)
    started: set[int] = field(default_factory=set)

    @classmethod
    def start(cls, epoch: int, datasets: int) -> _Place:
        zeros = [0] * datasets
        return cls(epoch, list(range(datasets)), zeros.copy(), zeros.copy(), zeros.copy(), [None] * datasets)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> _Place:
        active, counts, given, passes, datasets = (list(state[name]) for name in _LISTS)
        return cls(state["epoch"], active, counts, given, passes, datasets)

    def position(self) -> dict[str, Any]:
        return {"epoch": self.epoch, **{name: list(getattr(self, name)) for name in _LISTS}}

    def leave_out(self, turn: int) -> None:
        del self.active[turn]
        self.counts = [0] * len(self.active)

    def begin_again(self, number: int) -> None:
        self.passes[number] += 1
        self.datasets[number] = None


class AISMixedDataset(OrderedByPosition, IterableDataset[Any]):
    """Takes samples from several iterable datasets in turn, in proportion to their weights.

    After every sample each dataset has given its share, exact within one sample. Nothing is random in it: order and
    shuffle are those of the datasets, which have the arguments for them; each may be of this package or any other.
    `set_epoch` sets the epoch of all of them: each that has this method is told when its turn comes.

    Where all datasets know their samples by position (`AISIterDataset`, `AISShardReader` over shards with their indices
    beside them, mixtures of these), the mixture is one sequence that ranks and workers share in batches, as they share
    objects: its state holds for any number of both, and what the datasets were told of ranks and batches does not
    matter. Else each worker of each rank mixes its own parts of the datasets, and a state holds for as many; all of
    them need `state_dict` and `load_state_dict` for it.

    Args:
        datasets (Sequence[Iterable]): Iterable datasets, each of them once.
        weights (Sequence[float]): A positive number for each, whatever their sum; all the same by default.
        stop (str): When an epoch ends: `"first"` when it is the turn of a dataset that has no more; `"all"` when none
            has more, where one without more drops out and the others go on in their proportions; `"never"`, where one
            without more begins its next epoch.
        batch_size (int): See `AISIterDataset`; `AISDataLoader` tells it.
        even (str): See `AISIterDataset`; by default that of the first dataset of this package.
        rank (int): See `AISIterDataset`; by default that of the datasets.
        world_size (int): See `AISIterDataset`.
        split (str): See `AISBaseIterDataset`.

    Raises:
        InvalidArgumentError: There are no datasets, one is given twice, or weights or `stop` cannot be used.
        ArgumentTypeError: One of them is no iterable dataset.
    """

    kind: ClassVar[str] = "mixed"

    def __init__(
        self,
        datasets: Sequence[Iterable[Any]],
        weights: Sequence[float] | None = None,
        stop: Stop = "first",
        *,
        batch_size: int | None = None,
        even: Even | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        split: Split | None = None,
    ) -> None:
        self._datasets = list(datasets)
        _check_datasets(self._datasets)
        if stop not in get_args(Stop):
            raise InvalidArgumentError(f"stop is {stop!r}; use 'first', 'all' or 'never'")
        if weights is not None and len(weights) != len(self._datasets):
            raise InvalidArgumentError(f"there are {len(weights)} weights for {len(self._datasets)} datasets")
        theirs: Even = next((each.even for each in self._datasets if isinstance(each, Ordered)), "pad")
        self._set_order(batch_size=batch_size, even=even or theirs, rank=rank, world_size=world_size, split=split)
        if rank is None and world_size is None:
            self._given_world = _world_of(self._datasets)
        self._plan = MixPlan.of_weights([1] * len(self._datasets) if weights is None else weights)
        self._stop: Stop = stop
        self._mixing: _Place | None = None
        self._known_sequence: MixedSequence | None = None

    @property
    def counts_samples(self) -> bool:
        """Whether all datasets know their samples by position."""
        return not self.iterates_itself and self._has_positions

    @property
    def _has_positions(self) -> bool:
        return all(isinstance(each, OrderedByPosition) and each.counts_samples for each in self._datasets)

    def __len__(self) -> int:
        """How many samples this rank has in an epoch.

        Where workers each mix their own parts, that of a process that is alone with the datasets: with `stop="first"`
        each worker ends where one of its parts does, which may come to a few more or fewer.

        Raises:
            TypeError: A dataset has no length, or this one never ends.
        """
        self._check_end()
        if self._has_positions:
            return self.samples_of_epoch()
        sizes = [len(dataset) for dataset in self._datasets]  # type: ignore[arg-type]
        return sum(sizes if self._stop == "all" else self._plan.until_exhausted(sizes))

    def batches_of_epoch(self, workers: int, batch_size: int | None, drop_last: bool = False) -> int:
        """See `Ordered.batches_of_epoch`."""
        self._check_end()
        if self._has_positions:
            return super().batches_of_epoch(workers, batch_size, drop_last)
        return Ordered.batches_of_epoch(self, workers, batch_size, drop_last)

    def samples_of_workers(self, workers: int) -> list[int]:
        """See `Ordered.samples_of_workers`.

        Raises:
            TypeError: A dataset does not know it.
        """
        if workers == 1:
            return [len(self)]
        columns = []
        for number, dataset in enumerate(self._datasets):
            if not isinstance(dataset, Ordered):
                raise TypeError(f"{self._name(number)} does not know how many samples each of {workers} workers has")
            columns.append(dataset.samples_of_workers(workers))
        return [
            sum(sizes if self._stop == "all" else self._plan.until_exhausted(sizes))
            for sizes in zip(*columns, strict=True)
        ]

    def samples_after(self, begun: Cursor, samples: int = 0) -> int:
        """See `OrderedByPosition.samples_after`."""
        self._check_end()
        return super().samples_after(begun, samples)

    def _check_end(self) -> None:
        if self._stop == "never":
            raise TypeError("AISMixedDataset with stop='never' has no length: it does not end")

    def __iter__(self) -> Iterator[Any]:
        """The samples of this worker.

        Raises:
            InvalidArgumentError: With `stop="never"`, a dataset has no samples for this worker.
        """
        if self._has_positions:
            return self._placed(self._start())
        self._slot()  # refuses a reader that may share samples, too
        mixing = self._next_place()
        self._begin()
        self._mixing = mixing
        return self._samples(mixing)

    def prepare(self, workers: int = 0) -> None:
        """See `Ordered.prepare`."""
        for dataset in self._datasets:
            if isinstance(dataset, Ordered):
                # To find a sample by its position in the mixture, all of them must have been counted.
                dataset.prepare(max(2, workers) if self._has_positions else workers)

    def check_state(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """See `AISIterDataset.check_state`; looks at the states of the datasets, too."""
        super().check_state(state, strict)
        if self._has_positions:
            return
        self._check_lists(state)
        for dataset, own in zip(self._datasets, state["datasets"], strict=True):
            if own is not None and isinstance(dataset, Ordered):
                dataset.check_state(own, strict)

    def _check_lists(self, state: Mapping[str, Any]) -> None:
        """Raises StateMismatchError where the lists of a state are none, or not of these datasets."""
        if not all(isinstance(state.get(name), list) for name in _LISTS):
            raise StateMismatchError(f"the state lacks one of {', '.join(_LISTS)}, or it is no list")
        count = len(self._datasets)
        for name in _LISTS[:-1]:
            if not all(type(number) is int and 0 <= number < LIMIT for number in state[name]):
                raise StateMismatchError(f"the state's {name} are {state[name]!r}, and must be whole numbers")
        lengths = [len(state[name]) for name in _LISTS]
        if lengths != [lengths[0], lengths[0], count, count, count] or sorted(set(state["active"])) != state["active"]:
            raise StateMismatchError(f"the lists of the state are not those of {count} datasets")
        if state["active"] and state["active"][-1] >= count:
            raise StateMismatchError(f"the state's active are {state['active']!r}, of {count} datasets")
        for dataset, own in zip(self._datasets, state["datasets"], strict=True):
            if own is not None and not (isinstance(own, Mapping) and hasattr(dataset, "load_state_dict")):
                raise StateMismatchError(f"the state of {type(dataset).__name__} is {own!r}, which it cannot load")

    # By position.

    def _placed(self, place: Place) -> Iterator[Any]:
        for sample in self.read_positions(place.begun.epoch, self._dealt(place, _BLOCK)):
            place.taken += 1
            yield sample

    def read_positions(self, epoch: int, blocks: Iterable[NDArray[np.int64]]) -> Iterator[Any]:
        """See `OrderedByPosition.read_positions`."""
        turns = Turns(self._sequence, blocks)
        samples = [
            self._own_samples(dataset, number, epoch, turns)
            for number, dataset in enumerate(cast(list[OrderedByPosition], self._datasets))
        ]
        for number in turns:
            sample = next(samples[number], _END)
            if sample is _END:
                raise ShardError(self._name(number), problem="it has fewer samples than were counted; make it anew")
            yield sample

    def _own_samples(self, dataset: OrderedByPosition, number: int, epoch: int, turns: Turns) -> Iterator[Any]:
        """The samples that a dataset gives, through its epochs."""
        size = max(1, self._sequence.sizes[number])
        for passes, blocks in groupby(turns.blocks_of(number, size), lambda block: int(block[0]) // size):
            yield from dataset.read_positions(epoch + passes, (block - passes * size for block in blocks))

    @property
    def _sequence(self) -> MixedSequence:
        if self._known_sequence is None:
            sizes = [dataset._count() for dataset in self._datasets]  # type: ignore[attr-defined]
            if self._stop == "never" and 0 in sizes:
                raise InvalidArgumentError(
                    f"{self._name(sizes.index(0))} has no samples, and could never give its share: leave it out, "
                    "or use stop='all'"
                )
            make = {
                "first": MixedSequence.ending_with_first,
                "all": MixedSequence.ending_with_all,
                "never": MixedSequence.without_end,
            }[self._stop]
            self._known_sequence = make(self._plan, sizes)
        return self._known_sequence

    def _count(self) -> int:
        return len(self._sequence)

    def _fingerprint(self) -> str:
        own = [{**each.identity(), "batch_size": None} for each in cast(list[Ordered], self._datasets)]
        return xxhash.xxh3_128_hexdigest(json.dumps(own, sort_keys=True).encode())

    # Each worker for itself.

    def _samples(self, place: _Place) -> Iterator[Any]:
        plan, iterators = self._plan_of(place), dict[int, Iterator[Any]]()
        while place.active:
            turn = plan.choose(place.counts)
            number = place.active[turn]
            fresh = number not in iterators and place.datasets[number] is None
            if number not in iterators:
                iterators[number] = self._iterator(number, place)
            sample = next(iterators[number], _END)
            if sample is not _END:
                place.counts[turn] += 1
                place.given[number] += 1
                yield sample
            elif self._stop == "never":
                if fresh:
                    raise InvalidArgumentError(
                        f"{self._name(number)} has no samples for this process, and could never give its share: use "
                        "fewer ranks or workers, or stop='all'"
                    )
                del iterators[number]
                place.begin_again(number)
            elif self._stop == "all":
                place.leave_out(turn)
                plan = self._plan_of(place)
            else:
                place.active, place.counts = [], []

    def _iterator(self, number: int, place: _Place) -> Iterator[Any]:
        """Begins with a dataset where its turn is, in the epoch in which it is."""
        dataset, state = self._datasets[number], place.datasets[number]
        if isinstance(dataset, SplitMixin):
            info = get_worker_info()
            dataset._read_by = None if info is None else info.dataset  # the mixture shares nothing itself
            dataset._split = dataset._split or self._split
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(place.epoch + place.passes[number])
        if state is not None:
            # That of a dataset of this package was looked at when it was loaded, as strictly as was asked for.
            load(dataset, state, strict=not isinstance(dataset, Ordered))
        place.started.add(number)
        return iter(dataset)

    def _plan_of(self, place: _Place) -> MixPlan:
        """In which turn the datasets come that have more."""
        if len(place.active) in (0, len(self._datasets)):
            return self._plan
        return MixPlan.of_weights([self._plan.shares[number] for number in place.active])

    def _next_place(self) -> _Place:
        state = self._waiting()
        return _Place.start(self.next_epoch, len(self._datasets)) if state is None else _Place.of_state(state)

    def _identity(self) -> dict[str, Any]:
        own = {"weights": list(self._plan.shares), "stop": self._stop}
        if not self._has_positions:
            return own
        datasets = cast(list[Ordered], self._datasets)
        orders = {name: [getattr(each, name) for each in datasets] for name in ("seed", "shuffle")}
        return super()._identity() | own | orders

    def _is_finished(self, state: Mapping[str, Any]) -> bool:
        return super()._is_finished(state) if self._has_positions else state["active"] == []

    def _go_to(self, state: Mapping[str, Any]) -> None:
        if self._has_positions:
            super()._go_to(state)

    def _position(self) -> dict[str, Any]:
        if self._has_positions:
            return super()._position()
        place = self._mixing
        if place is None or self.is_waiting or place.process != os.getpid() or place.epoch != self.epoch:
            return self._next_place().position()
        return place.position() | {"datasets": [self._state_of(number, place) for number in range(len(self._datasets))]}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **self._for_pickle(), "_latest": None}

    def _state_of(self, number: int, place: _Place) -> Any:
        """The state of one dataset; of one that does not go on there is none."""
        if number not in place.active or number not in place.started:
            return place.datasets[number] if number in place.active else None
        state_dict = getattr(self._datasets[number], "state_dict", None)
        if state_dict is None:
            raise ArgumentTypeError(f"{self._name(number)} has no state_dict: a mixture with it cannot be saved")
        return state_dict()

    def _name(self, number: int) -> str:
        return f"dataset {number} of the mixture ({type(self._datasets[number]).__name__})"


def _check_datasets(datasets: Sequence[Any]) -> None:
    for number, dataset in enumerate(datasets):
        if not callable(getattr(dataset, "__iter__", None)):
            raise ArgumentTypeError(f"dataset {number} is no iterable dataset, but of type {type(dataset).__name__}")
        if any(dataset is other for other in datasets[:number]):
            raise InvalidArgumentError(f"dataset {number} is in the mixture already; make another one of the same kind")


# Positions that are looked up together.
_BLOCK = 4096


def _world_of(datasets: Sequence[Any]) -> tuple[int | None, int | None]:
    """The rank and world size that the datasets were given.

    Raises:
        InvalidArgumentError: They were given different ones.
    """
    given = {each._given_world for each in datasets if isinstance(each, SplitMixin)} - {(None, None)}
    if len(given) > 1:
        raise InvalidArgumentError(f"the datasets of a mixture are of different ranks: {sorted(map(str, given))}")
    return given.pop() if given else (None, None)
