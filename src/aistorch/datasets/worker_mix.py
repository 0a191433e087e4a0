"""A mixture that each worker mixes for itself, of the parts that it has of the datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch.utils.data import get_worker_info

from aistorch.datasets.mix_progress import MixProgress
from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.loading.protocol import Ordered
from aistorch.loading.split import Split, SplitMixin
from aistorch.loading.worker_state import load
from aistorch.order.mixing import MixPlan

Stop = Literal["first", "all", "never"]
_END = object()


@dataclass(frozen=True)
class WorkerMix:
    """Takes samples of datasets in turn, whatever they are.

    Attributes:
        datasets: Of this package or any other.
        plan: In which turn they come.
        stop: See `AISMixedDataset`.
        split: That of the mixture, for datasets that have none of their own; None: by default.
    """

    datasets: Sequence[Any]
    plan: MixPlan
    stop: Stop
    split: Split | None

    def samples(self, at: MixProgress) -> Iterator[Any]:
        """The samples from a place on, which moves along with them.

        Raises:
            InvalidArgumentError: With `stop="never"`, a dataset has no samples for this worker.
        """
        plan, iterators = self._plan_of(at), dict[int, Iterator[Any]]()
        while at.active:
            turn = plan.choose(at.counts)
            number = at.active[turn]
            fresh = number not in iterators and at.datasets[number] is None
            if number not in iterators:
                iterators[number] = self._iterator(number, at)
            sample = next(iterators[number], _END)
            if sample is not _END:
                at.counts[turn] += 1
                at.given[number] += 1
                yield sample
            elif self.stop == "never":
                if fresh:
                    raise InvalidArgumentError(
                        f"{self.name(number)} has no samples for this process, and could never give its share: use "
                        "fewer ranks or workers, or stop='all'"
                    )
                del iterators[number]
                at.begin_again(number)
            elif self.stop == "all":
                at.leave_out(turn)
                plan = self._plan_of(at)
            else:
                at.active, at.counts = [], []

    def states(self, at: MixProgress) -> list[Any]:
        """The states of the datasets; of one that does not go on there is none.

        Raises:
            ArgumentTypeError: A dataset has none to give.
        """
        return [self._state_of(number, at) for number in range(len(self.datasets))]

    def name(self, number: int) -> str:
        """A dataset as errors show it."""
        return f"dataset {number} of the mixture ({type(self.datasets[number]).__name__})"

    def _iterator(self, number: int, at: MixProgress) -> Iterator[Any]:
        """Begins with a dataset where its turn is, in the epoch in which it is."""
        dataset, state = self.datasets[number], at.datasets[number]
        if isinstance(dataset, SplitMixin):
            info = get_worker_info()
            dataset.be_read_by(None if info is None else info.dataset, self.split)  # a mixture shares nothing itself
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(at.epoch + at.passes[number])
        if state is not None:
            # That of a dataset of this package was looked at when it was loaded, as strictly as was asked for.
            load(dataset, state, strict=not isinstance(dataset, Ordered))
        at.started.add(number)
        return iter(dataset)

    def _plan_of(self, at: MixProgress) -> MixPlan:
        """In which turn the datasets come that have more."""
        if len(at.active) in (0, len(self.datasets)):
            return self.plan
        return MixPlan.of_weights([self.plan.shares[number] for number in at.active])

    def _state_of(self, number: int, at: MixProgress) -> Any:
        if number not in at.active or number not in at.started:
            return at.datasets[number] if number in at.active else None
        state_dict = getattr(self.datasets[number], "state_dict", None)
        if state_dict is None:
            raise ArgumentTypeError(f"{self.name(number)} has no state_dict: a mixture with it cannot be saved")
        return state_dict()
