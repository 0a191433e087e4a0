"""How far a training loop is with a loader, by the number of batches that it has received."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aistorch.errors import StateMismatchError
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.tracker import CountedRun
from aistorch.loading.worker_state import WorkerStart
from aistorch.order.cursor import Cursor


class CountTracker:
    """A loader's place where the order is computed: it holds for any number of workers and ranks.

    Args:
        ordered: The dataset, or the batch sampler.
        batch_size: How many samples a batch has.
        start: Tells the workers their epoch; None where the parent reads itself, or asks the sampler.
    """

    def __init__(self, ordered: OrderedByPosition, batch_size: int, start: WorkerStart | None) -> None:
        self._ordered, self._batch_size, self._start = ordered, batch_size, start
        self._run: CountedRun[Cursor] | None = None

    def needs_new_workers(self) -> bool:
        """Whether workers of an earlier iteration, where there are some, cannot do the next."""
        return self._start is not None and self._ordered.is_waiting

    def begin(self) -> CountedRun[Cursor]:
        """What counts the iteration that begins."""
        begun = self._ordered.place()
        self._run = CountedRun(begun, remainder=self._ordered.remainder(begun))
        if self._start is not None:
            self._start.epoch = self._ordered.begin_for_workers()
        return self._run

    def started(self, batches: Iterator[Any]) -> None:  # noqa: ARG002
        """To be called when workers have been started."""
        if self._start is not None:
            self._ordered.leave_to_workers()

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        run = self._current()
        if run is None:
            return self._ordered.state_after(self._ordered.place(), 0)
        return self._ordered.state_after(run.begun, run.received * self._batch_size)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It cannot.
        """
        self._ordered.check_state(state, strict)
        if self._start is not None and state.get("taken"):
            raise StateMismatchError(
                f"the state was saved {state['taken']} samples into a batch, and workers read whole batches: save it "
                "between batches, or go on with num_workers=0"
            )
        self._ordered.load_state_dict(state, strict)
        self._run = None

    def remaining(self) -> int:
        """How many batches are left of the iteration under way, else of the next."""
        run = self._current()
        begun, received = (self._ordered.place(), 0) if run is None else (run.begun, run.received)
        samples = self._ordered.samples_after(begun, received * self._batch_size)
        return -(-samples // self._batch_size)

    def _current(self) -> CountedRun[Cursor] | None:
        """The iteration under way; None where an epoch has been set or a state loaded since."""
        run = self._run
        if run is None or self._ordered.is_waiting or self._ordered.epoch != run.begun.epoch:
            return None
        return run
