"""Several iterable datasets as one, in fixed proportions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from torch.utils.data import IterableDataset, get_worker_info

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, StateMismatchError
from aistorch.loading.protocol import Ordered
from aistorch.loading.worker_state import load
from aistorch.order.mixing import MixPlan

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


class AISMixedDataset(Ordered, IterableDataset[Any]):
    """Takes samples from several iterable datasets in turn, in proportion to their weights.

    After every sample each dataset has given its share, exact within one sample. Nothing is random in it: order,
    shuffle, ranks and the size of batches are those of the datasets, which have the arguments for them; each may be of
    this package or any other. In a DataLoader, each worker mixes its own parts of the datasets. `set_epoch` sets the
    epoch of all of them: each that has this method is told when its turn comes. To save a mixture, all of them need
    `state_dict` and `load_state_dict`.

    Args:
        datasets (Sequence[Iterable]): Iterable datasets, each of them once.
        weights (Sequence[float]): A positive number for each, whatever their sum; all the same by default.
        stop (str): When an epoch ends: `"first"` when it is the turn of a dataset that has no more; `"all"` when none
            has more, where one without more drops out and the others go on in their proportions; `"never"`, where one
            without more begins its next epoch.

    Raises:
        InvalidArgumentError: There are no datasets, one is given twice, or weights or `stop` cannot be used.
        ArgumentTypeError: One of them is no iterable dataset.
    """

    kind: ClassVar[str] = "mixed"

    def __init__(
        self, datasets: Sequence[Iterable[Any]], weights: Sequence[float] | None = None, stop: Stop = "first"
    ) -> None:
        self._set_order()
        self._datasets = list(datasets)
        _check_datasets(self._datasets)
        if stop not in get_args(Stop):
            raise InvalidArgumentError(f"stop is {stop!r}; use 'first', 'all' or 'never'")
        if weights is not None and len(weights) != len(self._datasets):
            raise InvalidArgumentError(f"there are {len(weights)} weights for {len(self._datasets)} datasets")
        self._plan = MixPlan.of_weights([1] * len(self._datasets) if weights is None else weights)
        self._stop: Stop = stop
        self._latest: _Place | None = None
        self._length: tuple[list[int], int] | None = None

    def __len__(self) -> int:
        """How many samples the next iteration has, in a process that is alone with the datasets.

        Workers of a DataLoader each mix their own parts. With `stop="all"` the length is that of all of them together;
        with `"first"` each ends where one of its parts does, which may come to a few more or fewer.

        Raises:
            TypeError: A dataset has no length, or this one never ends.
        """
        if self._stop == "never":
            raise TypeError("AISMixedDataset with stop='never' has no length: it does not end")
        place = self._next_place()
        sizes = [len(dataset) for dataset in self._datasets]  # type: ignore[arg-type]
        if not place.active:
            return 0
        if self._length is None or self._length[0] != sizes:
            self._length = sizes, sum(sizes if self._stop == "all" else self._plan.until_exhausted(sizes))
        return max(0, self._length[1] - sum(place.given))

    def __iter__(self) -> Iterator[Any]:
        """The samples of this worker.

        Raises:
            InvalidArgumentError: With `stop="never"`, a dataset has no samples for this worker.
        """
        place = self._latest = self._next_place()
        self._begin()
        return self._samples(place)

    def prepare(self) -> None:
        """See `Ordered.prepare`."""
        for dataset in self._datasets:
            if isinstance(dataset, Ordered):
                dataset.prepare()

    def use_batches(self, batch_size: int | None, drop_last: bool = False) -> None:
        """Changes nothing: the datasets deal batches of the size that each was told."""

    def check_state(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """See `AISIterDataset.check_state`; looks at the states of the datasets, too."""
        super().check_state(state, strict)
        if not all(isinstance(state.get(name), list) for name in _LISTS):
            raise StateMismatchError(f"the state lacks one of {', '.join(_LISTS)}, or it is no list")
        for dataset, own in zip(self._datasets, state["datasets"], strict=True):
            if own is not None and isinstance(dataset, Ordered):
                dataset.check_state(own, strict)

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
                place.active = []

    def _iterator(self, number: int, place: _Place) -> Iterator[Any]:
        """Begins with a dataset where its turn is, in the epoch in which it is."""
        dataset, state = self._datasets[number], place.datasets[number]
        if isinstance(dataset, Ordered) and get_worker_info() is not None:
            dataset.leave_shared_epoch()
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
        return _Place.start(self.epoch, len(self._datasets)) if state is None else _Place.of_state(state)

    def _identity(self) -> dict[str, Any]:
        return {"weights": list(self._plan.shares), "stop": self._stop}

    def _position(self) -> dict[str, Any]:
        place = self._latest
        if place is None or self.is_waiting or place.process != os.getpid() or place.epoch != self.epoch:
            return self._next_place().position()
        return place.position() | {"datasets": [self._state_of(number, place) for number in range(len(self._datasets))]}

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
