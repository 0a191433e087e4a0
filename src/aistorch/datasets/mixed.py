"""Several iterable datasets as one, in fixed proportions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, cast, get_args

import numpy as np
import xxhash
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from aistorch.datasets.mix_progress import MixProgress, check_lists
from aistorch.datasets.turns import Turns
from aistorch.datasets.worker_mix import Stop, WorkerMix
from aistorch.errors import ArgumentTypeError, InvalidArgumentError, ShardError
from aistorch.loading.by_position import OrderedByPosition, Place
from aistorch.loading.protocol import Ordered
from aistorch.loading.split import Split, SplitMixin
from aistorch.order.cursor import Cursor
from aistorch.order.mixed_sequence import MixedSequence
from aistorch.order.mixing import MixPlan
from aistorch.order.partition import Even

_END = object()


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
        self._mixing: MixProgress | None = None
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
                raise TypeError(
                    f"{self._mix.name(number)} does not know how many samples each of {workers} workers has"
                )
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
        return self._mix.samples(mixing)

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
        check_lists(state, self._datasets)
        for dataset, own in zip(self._datasets, state["datasets"], strict=True):
            if own is not None and isinstance(dataset, Ordered):
                dataset.check_state(own, strict)

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
                raise ShardError(self._mix.name(number), problem="it has fewer samples than were counted; make it anew")
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
                    f"{self._mix.name(sizes.index(0))} has no samples, and could never give its share: leave it out, "
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

    @property
    def _mix(self) -> WorkerMix:
        return WorkerMix(self._datasets, self._plan, self._stop, self._split)

    def _next_place(self) -> MixProgress:
        state = self._waiting()
        return MixProgress.start(self.next_epoch, len(self._datasets)) if state is None else MixProgress.of_state(state)

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
        return place.position() | {"datasets": self._mix.states(place)}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **self._for_pickle(), "_latest": None}


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
