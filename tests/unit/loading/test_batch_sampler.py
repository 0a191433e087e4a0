"""Batches of indices: torch's DataLoader takes them, and the place is the one of iterable datasets."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from aistorch import AISBatchSampler
from aistorch.errors import InvalidArgumentError, StateMismatchError

orders = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 7),
        "shuffle": st.booleans(),
        "seed": st.integers(0, 3),
        "even": st.sampled_from(["pad", "drop", "off"]),
        "drop_last": st.booleans(),
        "rank": st.just(1),
        "world_size": st.integers(2, 4),
    }
)


def sampler(count: int, **order: Any) -> AISBatchSampler:
    return AISBatchSampler(range(count), **order)


@given(count=st.integers(0, 60), order=orders, taken=st.integers(0, 60))
def test_batches_and_their_number(count: int, order: dict[str, Any], taken: int) -> None:
    whole = list(sampler(count, **order))
    assert len(whole) == len(sampler(count, **order))
    assert all(len(batch) == order["batch_size"] for batch in whole[:-1])
    assert all(type(index) is int for batch in whole for index in batch)
    taken = min(taken, len(whole))
    begun = sampler(count, **order)
    first = list(islice(begun, taken))
    resumed = sampler(count, **order)
    resumed.load_state_dict(json.loads(json.dumps(begun.state_dict())))
    assert len(resumed) == len(whole)
    if resumed.next_epoch == 0:
        assert first + list(resumed) == whole
    following = sampler(count, **order)
    following.set_epoch(1)
    assert list(resumed) == list(following)


@pytest.mark.parametrize(("drop_last", "expected"), [(False, [[0, 1, 2], [3, 4]]), (True, [[0, 1, 2]])])
def test_the_last_batch(drop_last: bool, expected: list[list[int]]) -> None:
    batches = sampler(5, batch_size=3, drop_last=drop_last)
    assert list(batches) == expected
    assert len(batches) == len(expected)


def test_a_state_within_a_batch_is_finished_first() -> None:
    batches = sampler(10, batch_size=4)
    state = batches.state_after(batches.place(), 6)
    batches.load_state_dict(state)
    assert batches.samples_after(batches.place()) == 4
    assert list(batches) == [[6, 7], [8, 9]]


def test_a_data_loader_takes_it() -> None:
    data = [number * number for number in range(20)]
    batches = AISBatchSampler(data, 6, shuffle=True, seed=5)
    loader: DataLoader[int] = DataLoader(data, batch_sampler=batches, collate_fn=list)  # type: ignore[arg-type]
    assert len(loader) == 4
    seen = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        seen.append([value for batch in loader for value in batch])
        assert sorted(seen[-1]) == data
    assert seen[0] != seen[1]


def test_what_cannot_be() -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        sampler(5, batch_size=0)
    with pytest.raises(StateMismatchError, match="count was 5 and is 6"):
        sampler(6, batch_size=2).load_state_dict(sampler(5, batch_size=2).state_dict())
