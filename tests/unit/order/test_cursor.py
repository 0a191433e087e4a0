"""A place in an epoch: saved, loaded, and carried over to another number of ranks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import InvalidArgumentError, StateMismatchError
from aistorch.order.cursor import Cursor
from aistorch.order.partition import Deal

CURSORS = st.builds(
    Cursor,
    epoch=st.integers(0, 10**6),
    start=st.integers(0, 10**12),
    ranks=st.integers(1, 4096),
    taken=st.integers(0, 10**12),
)


@given(CURSORS)
def test_a_round_trip_through_json_keeps_everything(cursor: Cursor) -> None:
    text = json.dumps(cursor.to_dict())
    assert len(text) < 200
    assert Cursor.from_dict(json.loads(text)) == cursor


def test_other_entries_of_a_state_are_no_concern_of_it() -> None:
    cursor = Cursor(epoch=2, start=12, ranks=3, taken=1)
    assert Cursor.from_dict({**cursor.to_dict(), "kind": "objects", "seed": 7}) == cursor


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_state_of_another_version_is_refused(version: object) -> None:
    with pytest.raises(StateMismatchError, match=f"version {version!r}.*knows version 1"):
        Cursor.from_dict({**Cursor().to_dict(), "version": version})


@pytest.mark.parametrize("name", ["epoch", "start", "world_size", "taken"])
def test_a_state_that_lacks_an_entry_is_refused(name: str) -> None:
    state = Cursor().to_dict()
    del state[name]
    with pytest.raises(StateMismatchError, match="no whole numbers"):
        Cursor.from_dict(state)


@pytest.mark.parametrize(("name", "value"), [("start", -1), ("ranks", 0), ("taken", -1)])
def test_an_impossible_place_is_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{name} is {value}"):
        Cursor(**{name: value})


def test_whole_batches_become_part_of_the_start() -> None:
    cursor = Cursor(epoch=1, start=100, ranks=3).advance(10).advance(4)
    assert cursor.taken == 14
    assert cursor.normalised(4) == Cursor(epoch=1, start=100 + 3 * 3 * 4, ranks=3, taken=2)


def test_a_place_between_batches_holds_for_any_number_of_ranks() -> None:
    assert Cursor(start=5, ranks=2, taken=8).normalised(4).for_world(7) == Cursor(start=21, ranks=7)


def test_a_place_within_a_batch_holds_for_as_many_ranks_alone() -> None:
    cursor = Cursor(ranks=2, taken=9).normalised(4)
    assert cursor.for_world(2) == cursor
    with pytest.raises(StateMismatchError, match=r"1 samples into a batch by 2 ranks.*by 3"):
        cursor.for_world(3)


@given(
    count=st.integers(0, 200),
    batch_size=st.integers(1, 7),
    ranks=st.integers(1, 5),
    taken=st.integers(0, 250),
    even=st.sampled_from(["pad", "drop", "off"]),
    drop_last=st.booleans(),
)
def test_what_is_left_is_the_same_after_normalising(
    count: int, batch_size: int, ranks: int, taken: int, even: str, drop_last: bool
) -> None:
    def left(cursor: Cursor, rank: int) -> list[int]:
        deal = Deal(count, batch_size, ranks, even, drop_last, cursor.start)  # type: ignore[arg-type]
        return [int(each) for part in deal.positions(rank, skip=cursor.taken) for each in part]

    cursor = Cursor(ranks=ranks, taken=taken)
    for rank in range(ranks):
        assert left(cursor.normalised(batch_size), rank) == left(cursor, rank)
