"""What a loader asks of whoever knows how far its training loop is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from aistorch.errors import StateMismatchError

T = TypeVar("T")


class Run(Protocol):
    """One iteration over a loader.

    Attributes:
        finished: Whether the training loop has seen the end.
        remainder: How many samples the last batches of all ranks have where some are repeated in them; else 0, and -1
            where it is not known.
    """

    finished: bool
    remainder: int

    def receive(self, batch: Any) -> Any:
        """Counts a batch that the training loop gets, and gives it on."""


@dataclass
class CountedRun(Generic[T]):
    """One iteration over a loader: counts what the training loop receives, not what is read ahead.

    Attributes:
        begun: Where it began.
        received: How many batches it has given.
        finished: See `Run`.
        remainder: See `Run`.
    """

    begun: T
    received: int = 0
    finished: bool = False
    remainder: int = -1

    def receive(self, batch: Any) -> Any:
        """Counts a batch, and gives it on."""
        self.received += 1
        return batch


class Tracker(Protocol):
    """Keeps a loader's place: begins iterations, saves and loads states. Four kinds of loaders have one each."""

    def needs_new_workers(self) -> bool:
        """Whether workers of an earlier iteration, where there are some, cannot do the next."""

    def begin(self) -> Run:
        """Counts the iteration that begins."""

    def started(self, batches: Iterator[Any]) -> None:
        """Called when an iteration has begun and workers have been started; may take batches that are to be left."""

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It cannot.
        """

    def remaining(self) -> int | None:
        """How many batches are left of the iteration under way, else of the next; None where it is not known."""


def checked_kind(state: Any, kind: str, version: int) -> None:
    """Refuses a state of another kind or version.

    Raises:
        StateMismatchError: It is one.
    """
    is_state = isinstance(state, Mapping)
    found = (state.get("kind"), state.get("version")) if is_state else (type(state).__name__, None)
    if found != (kind, version):
        raise StateMismatchError(
            f"the loader takes states of the kind {kind!r} and version {version}, and this one is of the kind "
            f"{found[0]!r} and version {found[1]!r}"
        )
