"""What finds readers that are careless with damaged states finds them, and has nothing against one that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from aistorch.errors import StateMismatchError
from tests.support.mutated_states import Reading, mutations


class Careful:
    """Ten samples."""

    taken = 0

    def __iter__(self) -> Iterator[int]:
        while self.taken < 10:
            self.taken += 1
            yield self.taken

    def state_dict(self) -> dict[str, Any]:
        return {"kind": "ten", "place": {"taken": self.taken}, "listing": ["a", "b"]}

    def load_state_dict(self, state: Any) -> None:
        place = state.get("place") if isinstance(state, Mapping) else None
        taken = place.get("taken") if isinstance(place, Mapping) else None
        if type(taken) is not int or not 0 <= taken <= 10:
            raise StateMismatchError("no place")
        if state.get("kind") != "ten" or state.get("listing") != ["a", "b"]:
            raise StateMismatchError("another kind or listing")
        self.taken = taken


class Believing(Careful):
    def load_state_dict(self, state: Any) -> None:
        self.taken = state["place"]["taken"]


class StartingAnew(Careful):
    def load_state_dict(self, state: Any) -> None:
        place = state.get("place") if isinstance(state, Mapping) else None
        self.taken = place["taken"] if isinstance(place, dict) and type(place.get("taken")) is int else 0


class Twice(Careful):
    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        yield from [10] * (self.state_dict()["place"]["taken"] > 0 and self.late)

    late = False

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.late = self.taken != 4


class Allocating(Careful):
    def load_state_dict(self, state: Any) -> None:
        place = state.get("place") if isinstance(state, Mapping) else None
        if isinstance(place, dict) and type(place.get("taken")) is int and place["taken"] >= 0:
            bytearray(8 * place["taken"])
        super().load_state_dict(state)


def problems(make: Callable[[], Any]) -> set[str]:
    reading = Reading(make, iter, after=4)
    return {
        problem.partition(":")[0] for mutation in mutations(reading.state) if (problem := reading.problem_of(mutation))
    }


def test_a_careful_reader_has_no_problems() -> None:
    assert problems(Careful) == set()


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Believing, {"TypeError", "KeyError", "is read from, as if it were sound"}),
        (StartingAnew, {"is read from, as if it were sound"}),
        (Twice, {"1 samples come twice, or are none"}),
        (Allocating, {"MemoryError", "OverflowError"}),
    ],
)
def test_a_careless_reader_is_found(make: Callable[[], Any], found: set[str]) -> None:
    assert found <= problems(make)


def test_every_value_of_a_state_is_damaged() -> None:
    state = Careful().state_dict()
    damaged = {mutation.where for mutation in mutations(state)}
    assert damaged == {"the state", "kind", "place", "place.taken", "listing", "listing.0", "listing.1"}
    assert state == Careful().state_dict()
