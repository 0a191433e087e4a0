"""How far a training loop is with a loader, by what the dataset in each worker says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aistorch.errors import InvalidArgumentError, StateMismatchError
from aistorch.loading.folding import fold, unfold
from aistorch.loading.protocol import VERSION, Ordered, whole_number
from aistorch.loading.tracker import checked_kind
from aistorch.loading.worker_state import Parcel, WorkerStart, load

KIND = "workers"


class Parts(NamedTuple):
    """Where the workers are.

    Attributes:
        states: By number of the worker; None: it has not given anything yet.
        following: Whose batch comes next.
        epoch: The epoch; None where the dataset knows none.
        strict: Whether the listing must be the same.
    """

    states: list[dict[str, Any] | None]
    following: int = 0
    epoch: int | None = None
    strict: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As JSON, what is the same in all workers only once."""
        begun = [number for number, state in enumerate(self.states) if state is not None]
        return {
            "version": VERSION,
            "kind": KIND,
            "epoch": self.epoch,
            "workers": len(self.states),
            "next": self.following,
            "begun": begun,
            "states": fold([self.states[number] for number in begun]) if begun else None,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], strict: bool) -> Parts:
        """What `to_dict` gave.

        Raises:
            StateMismatchError: It is something else.
        """
        checked_kind(state, KIND, VERSION)
        workers, following = whole_number(state, "workers", 1), whole_number(state, "next")
        epoch = None if state.get("epoch") is None else whole_number(state, "epoch")
        begun: Any = state.get("begun")
        if workers > _MOST or following >= workers or not _are_some_of(begun, workers):
            raise StateMismatchError(f"the state's workers are {workers}, next {following} and begun {begun!r}")
        states: list[dict[str, Any] | None] = [None] * workers
        for number, own in zip(begun, unfolded(state.get("states"), len(begun)), strict=True):
            states[number] = own
        return cls(states, following, epoch, strict)


_MOST = 1 << 16
"""More workers than any loader has: a state that names more was not saved by one."""


def _are_some_of(numbers: Any, of: int) -> bool:
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < of for number in numbers):
        return False
    return len(set(numbers)) == len(numbers)


def unfolded(folded: Any, count: int) -> list[dict[str, Any]]:
    """The states that were folded.

    Raises:
        StateMismatchError: They are none.
    """
    if not count:
        return []
    try:
        states = unfold(folded, count)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise StateMismatchError(f"the states of the workers cannot be understood: {error}") from None
    if len(states) != count or not all(isinstance(state, dict) for state in states):
        raise StateMismatchError(f"the states of {count} workers are no {count} states")
    return states


@dataclass
class Parcels:
    """One iteration over a loader: keeps the state that came with each worker's last batch.

    Attributes:
        parts: Where it began.
        received: The states since.
        last: Who gave the last batch.
        problem: Why it came without a state.
        finished: Whether the training loop has seen the end.
        remainder: See `Run`.
    """

    parts: Parts
    received: dict[int, dict[str, Any]] = field(default_factory=dict)
    last: int | None = None
    problem: str = ""
    finished: bool = False
    remainder: int = -1

    def receive(self, batch: Any) -> Any:
        """Takes the state from a batch, and gives the rest on."""
        if not isinstance(batch, Parcel):
            return batch
        self.last, self.problem = batch.worker, batch.problem
        if batch.state is not None:
            self.received[batch.worker] = batch.state.content
        return batch.batch

    def now(self) -> Parts:
        """Where it is."""
        if self.problem:
            raise InvalidArgumentError(f"the dataset in a worker has no state: {self.problem}")
        if self.finished and self.parts.epoch is not None:
            return Parts([None] * len(self.parts.states), epoch=self.parts.epoch + 1)
        if self.last is None:
            return self.parts
        states = list(self.parts.states)
        for number, state in self.received.items():
            states[number] = state
        return self.parts._replace(states=states, following=(self.last + 1) % len(states))


class WorkerTracker:
    """A loader's place where only the dataset knows it: it holds for as many workers and ranks.

    For another number of workers the dataset's `redistribute_state(states, workers)` is asked, if it has one; among the
    states is None for a worker that had not given anything.

    Args:
        dataset: The dataset, with `state_dict` and `load_state_dict`.
        start: Hands states to the workers; None where the parent reads itself.
        workers: How many processes the loader starts.
    """

    def __init__(self, dataset: Any, start: WorkerStart | None, workers: int) -> None:
        self._dataset, self._start, self._parts = dataset, start, max(1, workers)
        self._run: Parcels | None = None
        self._loaded: Parts | None = None

    def needs_new_workers(self) -> bool:
        """Whether workers of an earlier iteration, where there are some, cannot do the next."""
        return self._start is not None and (self._waiting() is not None or self._start.states is not None)

    def begin(self) -> Parcels:
        """What keeps the states of the iteration that begins."""
        waiting, self._loaded = self._waiting(), None
        parts = waiting or self._at_start()
        if self._start is not None:
            self._start.states = waiting and waiting.states
            self._start.first, self._start.strict = parts.following, parts.strict
            if isinstance(self._dataset, Ordered):
                self._start.epoch = self._dataset.begin_for_workers()
        self._run = Parcels(parts)
        return self._run

    def started(self, batches: Iterator[Any]) -> None:  # noqa: ARG002
        """To be called when workers have been started."""
        if self._start is not None and isinstance(self._dataset, Ordered):
            self._dataset.leave_to_workers()

    def remaining(self) -> None:
        """Not known: the dataset alone knows how many samples it makes."""
        return

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        if isinstance(self._dataset, Ordered):
            self._dataset.identity()  # refuses where there is no state
        if waiting := self._waiting():
            return waiting.to_dict()
        run = self._run
        if run is None or run.parts.epoch != getattr(self._dataset, "epoch", None):
            return self._at_start().to_dict()
        if self._start is None and not (run.finished and run.parts.epoch is not None):
            return run.parts._replace(states=[self._dataset.state_dict()]).to_dict()
        now = run.now()
        return now._replace(states=[own if own is None else self._completed(own) for own in now.states]).to_dict()

    def _completed(self, state: dict[str, Any]) -> dict[str, Any]:
        """A state as it is saved; what comes from a worker with each batch is the place alone."""
        return self._dataset.state_at(state) if isinstance(self._dataset, Ordered) and "kind" not in state else state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It cannot.
        """
        parts = self._for_workers(Parts.from_dict(state, strict))
        for own in parts.states:
            if own is not None and isinstance(self._dataset, Ordered):
                self._dataset.check_state(own, strict)
        if parts.epoch is not None and hasattr(self._dataset, "set_epoch"):
            self._dataset.set_epoch(parts.epoch)
        if self._start is None:
            load(self._dataset, parts.states[0], strict)
        self._loaded, self._run = parts, None

    def _for_workers(self, parts: Parts) -> Parts:
        saved = len(parts.states)
        if saved == self._parts:
            return parts
        redistribute = getattr(self._dataset, "redistribute_state", None)
        if redistribute is None:
            raise StateMismatchError(
                f"the state was saved with {saved} workers, and the loader has {self._parts}: "
                f"{type(self._dataset).__name__} can go on with as many as before only"
            )
        return parts._replace(states=redistribute(parts.states, self._parts), following=0)

    def _waiting(self) -> Parts | None:
        return self._loaded if self._loaded is not None and self._loaded.epoch == self._next_epoch else None

    def _at_start(self) -> Parts:
        return Parts([None] * self._parts, epoch=self._next_epoch)

    @property
    def _next_epoch(self) -> int | None:
        name = "next_epoch" if isinstance(self._dataset, Ordered) else "epoch"
        number: int | None = getattr(self._dataset, name, None)
        return number
