"""How far a training loop is with a loader whose batches are chosen by a sampler of the user's that has a state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aistorch.errors import StateMismatchError
from aistorch.loading.protocol import VERSION, whole_number
from aistorch.loading.tracker import CountedRun, checked_kind

KIND = "sampler"


class SamplerTracker:
    """A loader's place where a sampler has `state_dict` and `load_state_dict`.

    A loader draws from a sampler ahead of time, so the sampler's own state is ahead of the training loop: the place is
    the state in which an iteration began, and how many batches were received since. To go on, as many are drawn anew,
    which reads no object.

    Args:
        sampler: What has the state.
        batches: What the loader draws from; one draw makes a batch.
    """

    def __init__(self, sampler: Any, batches: Any) -> None:
        self._sampler, self._batches = sampler, batches
        self._run: CountedRun[dict[str, Any]] | None = None

    def needs_new_workers(self) -> bool:
        """Workers are told which samples to read, and can read any."""
        return False

    def begin(self) -> CountedRun[dict[str, Any]]:
        """What counts the iteration that begins."""
        begins = getattr(self._sampler, "next_state", self._sampler.state_dict)
        self._run = CountedRun(dict(begins()))
        return self._run

    def started(self, batches: Iterator[Any]) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict[str, Any]:
        """The place of the latest iteration."""
        run = self._run
        if run is None or run.finished:
            begun, received = dict(self._sampler.state_dict()), 0
        else:
            begun, received = run.begun, run.received
            if hasattr(self._sampler, "state_after"):  # it knows where so many lead, on any number of ranks
                begun, received = self._sampler.state_after(received, begun), 0
        return {"version": VERSION, "kind": KIND, "sampler": begun, "received": received}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool) -> None:  # noqa: ARG002
        """The next iteration goes on there.

        Raises:
            StateMismatchError: It cannot.
        """
        checked_kind(state, KIND, VERSION)
        received, begun = whole_number(state, "received"), state.get("sampler")
        if not isinstance(begun, Mapping):
            raise StateMismatchError(f"the state's sampler is {begun!r}, and must be a dictionary")
        self._sampler.load_state_dict(begun)
        if received:
            drawn = iter(self._batches)
            for number in range(received):
                if next(drawn, None) is None:
                    raise StateMismatchError(f"the state has {received} batches, and the sampler gives {number} only")
            self._sampler.load_state_dict(self._sampler.state_dict())
        self._run = None

    def remaining(self) -> int | None:
        """What is left of the length of the sampler, where it has one."""
        run = self._run
        left = getattr(self._sampler, "remaining", None)
        if run is None and isinstance(left, int):
            return left
        return None
