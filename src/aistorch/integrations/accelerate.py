"""Accelerate: its own objects that share samples among ranks, and what it looks at in a loader.

`accelerator.prepare(loader)` leaves an `AISDataLoader` as it is, since that shares its samples itself, and saves its
state with `save_state`. A plain `DataLoader` is wrapped, and Accelerate deals the samples of one whole dataset to the
ranks: the dataset then must not deal them a second time.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from aistorch.errors import InvalidArgumentError

MODULES = ("accelerate.data_loader",)
SHARE_AMONG_RANKS = ("IterableDatasetShard", "DataLoaderDispatcher", "BatchSamplerShard")
"""Classes whose methods read a dataset or a batch sampler and keep one rank's part of it."""
COUNT_ITERATIONS: tuple[str, ...] = ()
PREPARES = "prepare_data_loader"


class Prepared:
    """What `accelerator.prepare` finds where it looks whether a loader is prepared: true, and notes who looks.

    Attributes:
        by_accelerate: Whether it has been looked at.
        device: Where batches are to be put; None: nowhere.
    """

    def __init__(self) -> None:
        self.by_accelerate, self.device = False, None

    def __bool__(self) -> bool:
        caller = inspect.currentframe()
        caller = caller and caller.f_back
        if caller is not None and caller.f_code.co_name == PREPARES and "self" in caller.f_locals:
            accelerator, wanted = caller.f_locals["self"], caller.f_locals.get("device_placement")
            self.by_accelerate = True
            self.device = accelerator.device if (accelerator.device_placement if wanted is None else wanted) else None
        return True


class Batches(Iterator[Any]):
    """A prepared loader's batches, on the device; tells Accelerate which is the last, and what of it was repeated.

    Attributes:
        end_of_dataloader: Whether the batch that was given last is the last of the epoch.
        remainder: How many samples the last batches of all ranks have without those repeated; 0: nothing was, -1: this
            is not known.
    """

    def __init__(self, loader: Any, batches: Iterator[Any], remainder: int) -> None:
        self._loader, self._batches = loader, batches
        self._tools = sys.modules["accelerate"]
        self.end_of_dataloader, self.remainder = False, remainder
        self._state = self._tools.state.GradientState()
        self._state._add_dataloader(self)

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            self._state._remove_dataloader(self)
            raise
        self.end_of_dataloader = _is_last(self._loader)
        device = self._loader._prepared.device
        return batch if device is None else self._tools.utils.send_to_device(batch, device)

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]

    def __del__(self) -> None:
        # A loop that was left early, maybe within another: Accelerate asks the last of those that are listed.
        self._state._remove_dataloader(self)


def leave_as_it_is(loader: Any, *, has_state: bool) -> None:
    """Marks a loader as one that `accelerator.prepare` must not share among ranks.

    Args:
        loader: The loader.
        has_state: Whether `save_state` and `load_state` can keep its place.
    """
    # The second name is ours: `prepare` replaces the first by a plain True.
    loader._is_accelerate_prepared = loader._prepared = Prepared()
    loader.use_stateful_dataloader = has_state


def batches_of(loader: Any, batches: Iterator[Any], remainder: int) -> Iterator[Any]:
    """The batches of one iteration, as a loop that was written for Accelerate expects them from a prepared loader."""
    mark: Prepared | None = getattr(loader, "_prepared", None)
    return Batches(loader, batches, remainder) if mark is not None and mark.by_accelerate else batches


def _is_last(loader: Any) -> bool:
    try:
        return bool(loader.remaining == 0)
    except InvalidArgumentError:
        return False
