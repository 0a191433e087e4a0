"""How far a training loop is with a loader, by what the dataset in each worker says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aistorch.errors import InvalidArgumentError, StateMismatchError
from aistorch.loading.folding import fold, unfold
from aistorch.loading.protocol import VERSION, Ordered
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
        found = (
            (state.get("kind"), state.get("version")) if isinstance(state, Mapping) else (type(state).__name__, None)
        )
        if found != (KIND, VERSION):
            raise StateMismatchError(
                f"the loader takes states of the kind {KIND!r} and version {VERSION}, and this one is of the kind "
                f"{found[0]!r} and version {found[1]!r}"
            )
        states: list[dict[str, Any] | None] = [None] * state["workers"]
        begun = state["begun"]
        for number, own in zip(begun, unfold(state["states"], len(begun)) if begun else (), strict=True):
            states[number] = own
        return cls(states, state["next"], state["epoch"], strict)


@dataclass
class Parcels:
    """One iteration over a loader: keeps the state that came with each worker's last batch.

    Attributes:
        parts: Where it began.
        received: The states since, as JSON.
        last: Who gave the last batch.
        problem: Why it came without a state.
    """

    parts: Parts
    received: dict[int, str] = field(default_factory=dict)
    last: int | None = None
    problem: str = ""

    def receive(self, batch: Any) -> Any:
        """Takes the state from a batch, and gives the rest on."""
        if not isinstance(batch, Parcel):
            return batch
        self.last, self.problem = batch.worker, batch.problem
        self.received[batch.worker] = batch.state
        return batch.batch

    def now(self) -> Parts:
        """Where it is."""
        if self.problem:
            raise InvalidArgumentError(f"the dataset in a worker has no state: {self.problem}")
        if self.last is None:
            return self.parts
        states = list(self.parts.states)
        for number, state in self.received.items():
            states[number] = json.loads(state)
        return self.parts._replace(states=states, following=(self.last + 1) % len(states))


class PlaceByWorker:
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
        self._run = Parcels(parts)
        return self._run

    def started(self) -> None:
        """To be called when workers have been started."""
        if self._start is not None and isinstance(self._dataset, Ordered):
            self._dataset.leave_to_workers()

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        if self._start is None:
            return Parts([self._dataset.state_dict()], epoch=self._epoch).to_dict()
        if waiting := self._waiting():
            return waiting.to_dict()
        if self._run is None or self._run.parts.epoch != self._epoch:
            return self._at_start().to_dict()
        return self._run.now().to_dict()

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
        else:
            self._loaded = parts

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
        return self._loaded if self._loaded is not None and self._loaded.epoch == self._epoch else None

    def _at_start(self) -> Parts:
        return Parts([None] * self._parts, epoch=self._epoch)

    @property
    def _epoch(self) -> int | None:
        number: int | None = getattr(self._dataset, "epoch", None)
        return number
