"""How far a training loop is with a loader, by the number of batches that it has received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.utils.data import IterableDataset

from aistorch.errors import StateMismatchError
from aistorch.loading.by_position import OrderedByPosition
from aistorch.order.cursor import Cursor


@dataclass
class CountedBatches:
    """One iteration over a loader: counts what the training loop receives, not what is read ahead.

    Attributes:
        begun: Where it began.
        received: How many batches it has given.
    """

    begun: Cursor
    received: int = 0

    def receive(self, batch: Any) -> Any:
        """Counts a batch, and gives it on."""
        self.received += 1
        return batch


class PlaceByCount:
    """A loader's place where the order is computed: it holds for any number of workers and ranks.

    Args:
        ordered: The dataset, or the batch sampler.
        batch_size: How many samples a batch has.
        workers: How many processes the loader starts.
    """

    def __init__(self, ordered: OrderedByPosition, batch_size: int, workers: int) -> None:
        self._ordered, self._batch_size = ordered, batch_size
        # A batch sampler is asked by the parent, and has nothing to leave to workers.
        self._workers = workers if isinstance(ordered, IterableDataset) else 0
        self._run: CountedBatches | None = None

    def needs_new_workers(self) -> bool:
        """Whether workers of an earlier iteration, where there are some, cannot do the next."""
        return self._workers > 0 and self._ordered.is_waiting

    def begin(self) -> CountedBatches:
        """What counts the iteration that begins."""
        self._run = CountedBatches(self._ordered.place())
        return self._run

    def started(self) -> None:
        """To be called when workers have been started."""
        if self._workers:
            self._ordered.leave_to_workers()

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        run = self._run
        if run is None or run.begun.epoch != self._ordered.epoch or self._ordered.is_waiting:
            return self._ordered.state_after(self._ordered.place(), 0)
        return self._ordered.state_after(run.begun, run.received * self._batch_size)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It cannot.
        """
        self._ordered.check_state(state, strict)
        if self._workers and state.get("taken"):
            raise StateMismatchError(
                f"the state was saved {state['taken']} samples into a batch, and workers read whole batches: save it "
                "between batches, or go on with num_workers=0"
            )
        self._ordered.load_state_dict(state, strict)
