"""How a dataset's state travels from a DataLoader's worker to its parent with each batch, and back at the start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch.utils.data import get_worker_info
from torch.utils.data._utils import worker as torch_worker

from aistorch.errors import AIStorchError
from aistorch.loading.protocol import Ordered

States = Sequence[dict[str, Any] | None]


class Parcel(NamedTuple):
    """A batch with what its worker's dataset said of its place; a tuple, which `pin_memory` goes through.

    Attributes:
        batch: What the training loop gets.
        worker: Whose it is.
        state: The state, wrapped so that `pin_memory` leaves it alone; None where there is none.
        problem: Why there is none.
    """

    batch: Any
    worker: int
    state: Sealed | None = None
    problem: str = ""


class Sealed:
    """A state that nobody looks into on its way.

    Args:
        content: The state.
    """

    __slots__ = ("content",)

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content


class WithState:
    """A `collate_fn` that adds the dataset's state in a worker.

    Args:
        collate: Makes the batch.
    """

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self._collate = collate

    def __call__(self, samples: Any) -> Any:
        """The batch, in a `Parcel`."""
        batch, info = self._collate(samples), get_worker_info()
        if info is None:
            return batch
        try:
            return Parcel(batch, info.id, Sealed(_state_of(info.dataset)))
        except (AIStorchError, TypeError, ValueError, NotImplementedError) as error:
            # Nobody may ever ask for a state: not having one must not end the training.
            return Parcel(batch, info.id, problem=f"{type(error).__name__}: {error}")


def _state_of(dataset: Any) -> dict[str, Any]:
    """What tells a dataset's place; the parent adds what is the same for all batches."""
    if isinstance(dataset, Ordered) and type(dataset).state_dict is Ordered.state_dict:
        return dataset.position()
    state: dict[str, Any] = dataset.state_dict()
    return state


class WorkerStart:
    """A `worker_init_fn` that lets the dataset go on where it was.

    A DataLoader begins with worker 0, whoever's turn it was when the state was saved; so workers take the parts of one
    another, and the batches come in the order in which they would have come.

    Attributes:
        init: The user's own `worker_init_fn`, called first.
        states: By number of the part; None: those parts begin at the start.
        first: Which part worker 0 takes.
        strict: Whether the listing must be the same.
        epoch: The epoch that the loader has begun; None where the dataset counts none.
    """

    def __init__(self) -> None:
        self.init: Callable[[int], None] | None = None
        self.states: States | None = None
        self.first, self.strict = 0, True
        self.epoch: int | None = None

    def __call__(self, worker_id: int) -> None:
        """Runs in a worker before it iterates."""
        info = get_worker_info()
        if info is not None and self.first:
            part = (worker_id + self.first) % info.num_workers
            worker_id = part
            torch_worker._worker_info = torch_worker.WorkerInfo(
                id=part, num_workers=info.num_workers, seed=info.seed, dataset=info.dataset
            )
        if self.init is not None:
            self.init(worker_id)
        if info is not None and self.epoch is not None:
            pin: Callable[[int], None] = info.dataset.pin_for_worker  # type: ignore[attr-defined]
            pin(self.epoch)
        if info is not None and self.states is not None:
            load(info.dataset, self.states[worker_id], self.strict)


def load(dataset: Any, state: dict[str, Any] | None, strict: bool) -> None:
    """Loads a dataset's state, of this package or any other."""
    if state is None:
        return
    if strict:
        dataset.load_state_dict(state)
    else:
        dataset.load_state_dict(state, strict=False)
