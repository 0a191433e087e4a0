"""How far a training loop is with a dataset whose samples only its own code can tell: it is read again up to there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aistorch.errors import ReplayMismatchWarning, StateMismatchError
from aistorch.loading.digest import digest
from aistorch.loading.protocol import VERSION, Ordered, whole_number
from aistorch.loading.tracker import CountedRun, checked_kind
from aistorch.loading.worker_state import WorkerStart

KIND = "replay"


@dataclass
class ReplayedBatches(CountedRun[int]):
    """One iteration, which began in the epoch `begun`; keeps the latest batch to know it again.

    Attributes:
        latest: The latest batch, those of earlier runs included.
    """

    latest: Any = None

    def receive(self, batch: Any) -> Any:
        """Counts a batch, and gives it on."""
        self.latest = batch
        return super().receive(batch)


class ReplayTracker:
    """A loader's place where a subclass of a dataset has an `__iter__` of its own, and no state of its own.

    What such a subclass has read and not yet handed out is nobody else's to know, so the place is the number of batches
    that the training loop has received: on going on, as many are made again and left. That is exact where the subclass
    makes the same samples each time; a warning tells where the last of them is another one than before.

    Args:
        dataset: The dataset.
        start: Tells the workers their epoch; None where the parent reads itself.
        workers: How many processes the loader starts.
    """

    def __init__(self, dataset: Ordered, start: WorkerStart | None, workers: int) -> None:
        self._dataset, self._start, self._workers = dataset, start, workers
        self._run: ReplayedBatches | None = None
        self._loaded: Mapping[str, Any] | None = None

    def needs_new_workers(self) -> bool:
        """Workers of an earlier iteration can do the next: each begins it at the start."""
        return False

    def begin(self) -> ReplayedBatches:
        """What counts the iteration that begins."""
        self._run = ReplayedBatches(self._dataset.next_epoch)
        if self._start is not None:
            self._start.epoch = self._dataset.begin_for_workers()
        return self._run

    def started(self, batches: Iterator[Any]) -> None:
        """Reads again what an earlier run has received."""
        state, run = self._loaded, self._run
        self._loaded = None
        if state is None or run is None or state["epoch"] != run.begun:
            return
        owner = type(self._dataset).__name__
        for number in range(state["received"]):
            try:
                run.receive(next(batches))
            except StopIteration:
                raise StateMismatchError(
                    f"the state was saved after {state['received']} batches, and {owner} makes only {number} now"
                ) from None
        if run.received and digest(run.latest) != state["latest"]:
            warnings.warn(
                f"{owner} has an __iter__ of its own and was read again up to batch {run.received}, which is another "
                "one than it was: unless only augmentations differ, samples come twice or not at all. Make its order "
                f"depend on the dataset's seed and epoch, or give {owner} a state_dict and a load_state_dict",
                ReplayMismatchWarning,
                stacklevel=4,
            )

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        run = self._current()
        if run is None and self._waiting() is not None:
            return dict(self._waiting() or {})
        received = 0 if run is None or run.finished else run.received
        epoch = self._dataset.next_epoch if run is None or run.finished else run.begun
        return {
            "version": VERSION,
            "kind": KIND,
            "epoch": epoch,
            "received": received,
            "latest": digest(run.latest) if run is not None and received else None,
            "split": self._split(),
        }

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It was saved with another dataset, or by other ranks or workers.
        """
        checked_kind(state, KIND, VERSION)
        epoch, received = whole_number(state, "epoch"), whole_number(state, "received")
        latest = state.get("latest")
        if received and not isinstance(latest, str):
            raise StateMismatchError(f"the state's latest is {latest!r}, and must be a text")
        self._check_split(state.get("split"), strict)
        self._dataset.set_epoch(epoch)
        self._loaded, self._run = {**state, "received": received}, None

    def remaining(self) -> None:
        """Not known: the subclass alone knows how many samples it makes."""
        return

    def _split(self) -> dict[str, Any]:
        """What has to be the same for the same batches to be made."""
        return {**self._dataset.identity(), **self._dataset.whose(), "workers": self._workers}

    def _check_split(self, saved: Any, strict: bool) -> None:
        if not isinstance(saved, Mapping):
            raise StateMismatchError(f"the state's split is {saved!r}, and must be a dictionary")
        differences = [
            f"{name} was {saved.get(name)!r} and is {value!r}"
            for name, value in self._split().items()
            if saved.get(name) != value and (strict or name not in ("count", "fingerprint"))
        ]
        if differences:
            owner = type(self._dataset).__name__
            raise StateMismatchError(
                f"{owner} has an __iter__ of its own, so its state holds for the same dataset, ranks and workers: "
                f"{', '.join(differences)}. With a state_dict and a load_state_dict of its own it may hold for others"
            )

    def _current(self) -> ReplayedBatches | None:
        run = self._run
        return run if run is not None and run.begun == self._dataset.epoch and self._waiting() is None else None

    def _waiting(self) -> Mapping[str, Any] | None:
        loaded = self._loaded
        return loaded if loaded is not None and loaded["epoch"] == self._dataset.next_epoch else None
