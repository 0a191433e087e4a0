"""Samples packed by cost: none lost, none too many, held against packing by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aistorch.order.packing import Packing, pack


def packed_by_hand(
    costs: list[float], limit: float, padded: float, saturation: float, keep_oversized: bool
) -> list[list[int]]:
    def reaches(batch: list[int], part: float) -> bool:
        total, length = sum(costs[other] for other in batch), max(costs[other] for other in batch) * len(batch)
        return bool(total >= part * limit or length >= part * padded)

    batches: list[list[int]] = []
    open_batch: list[int] = []
    for position, cost in enumerate(costs):
        if cost > min(limit, padded):
            if keep_oversized:
                batches.append([position])
            continue
        total = sum(costs[other] for other in open_batch) + cost
        longest = max([cost, *(costs[other] for other in open_batch)])
        if total > limit or longest * (len(open_batch) + 1) > padded:
            batches.append(open_batch)
            open_batch = []
        open_batch.append(position)
    if open_batch and (not saturation or reaches(open_batch, saturation)):
        batches.append(open_batch)
    return batches


def batches_of(packed: Packing) -> list[list[int]]:
    return [batch.tolist() for batch in packed]


COSTS = st.lists(st.integers(0, 12), max_size=40)
LIMITS = st.integers(1, 15) | st.sampled_from([math.inf, 7.5])
TYPES = st.sampled_from([np.int64, np.float64])


@given(COSTS, LIMITS, LIMITS, st.sampled_from([0, 0.3, 0.8, 1]), st.booleans(), TYPES)
@settings(max_examples=400)
@example([5, 5, 5], 5, math.inf, 0, True, np.int64)
@example([9, 9], 5, math.inf, 0, True, np.int64)
@example([2, 9, 3, 5], 5, math.inf, 0, True, np.int64)
def test_batches_are_those_packed_by_hand(
    costs: list[float], limit: float, padded: float, saturation: float, keep_oversized: bool, kind: type[np.number]
) -> None:
    """Whole numbers and the same ones with a fraction, which other code packs."""
    array = np.array(costs, dtype=kind)
    packed = pack(array, limit, padded=padded, saturation=saturation, keep_oversized=keep_oversized)
    batches = batches_of(packed)
    assert sorted(batches) == sorted(packed_by_hand(costs, limit, padded, saturation, keep_oversized))
    assert len(packed) == len(batches)
    regular = [batch for batch in batches if costs[batch[0]] <= min(limit, padded)]
    assert regular == sorted(regular)


@given(COSTS, st.integers(1, 15), TYPES)
def test_no_sample_is_lost_and_none_twice(costs: list[int], limit: int, kind: type[np.number]) -> None:
    batches = batches_of(pack(np.array(costs, dtype=kind), limit, keep_oversized=True))
    assert sorted(position for batch in batches for position in batch) == list(range(len(costs)))
    assert all(len(batch) == 1 or sum(costs[position] for position in batch) <= limit for batch in batches)


@given(st.lists(st.floats(0, 1e3, allow_subnormal=False), max_size=60), st.floats(1, 2e3))
def test_fractions_are_summed_as_the_batch_alone(costs: list[float], limit: float) -> None:
    """What was packed before does not change how a sum is rounded."""
    for batch in batches_of(pack(np.array(costs), limit)):
        total = 0.0
        for position in batch:
            total += costs[position]
        assert total <= limit


def test_a_tenth_fits_ten_times() -> None:
    assert [len(batch) for batch in pack(np.full(35, 0.1), 1.0)] == [10, 10, 10, 5]


def test_whole_numbers_beyond_64_bits_together_are_summed_exactly() -> None:
    costs = np.full(6, 2**62, dtype=np.int64)
    assert [len(batch) for batch in pack(costs, 2**63)] == [2, 2, 2]
    assert [len(batch) for batch in pack(costs, 1e300)] == [6]


def test_padding_counts() -> None:
    costs = np.array([1, 1, 1, 1, 4, 1, 1, 4, 4])
    assert [batch.tolist() for batch in pack(costs, padded=8)] == [[0, 1, 2, 3], [4, 5], [6, 7], [8]]
    assert [batch.tolist() for batch in pack(costs, 6, padded=8)] == [[0, 1, 2, 3], [4, 5], [6, 7], [8]]
    assert [batch.tolist() for batch in pack(costs, 5, padded=100)] == [[0, 1, 2, 3], [4, 5], [6, 7], [8]]


def test_a_large_sample_stands_alone_where_it_is_met_while_the_batch_stays_open() -> None:
    assert batches_of(pack(np.array([1, 9, 1, 1, 9]), 3, keep_oversized=True)) == [[1], [0, 2, 3], [4]]
    assert batches_of(pack(np.array([1, 1, 9, 2, 9]), 3, keep_oversized=True)) == [[2], [0, 1], [4], [3]]
    assert batches_of(pack(np.array([3, 3, 9, 3, 3, 3]), padded=6, keep_oversized=True)) == [[0, 1], [2], [3, 4], [5]]


BATCHES = st.lists(st.integers(1, 5), max_size=12).map(
    lambda sizes: Packing(np.arange(sum(sizes))[::-1], np.cumsum([0, *sizes])[1:])
)


@given(BATCHES, st.randoms())
def test_batches_in_another_order_are_the_same_ones(packed: Packing, random: object) -> None:
    numbers = np.array(random.sample(range(len(packed)), len(packed)), dtype=np.int64)  # type: ignore[attr-defined]
    before = batches_of(packed)
    assert batches_of(packed.in_order(numbers)) == [before[number] for number in numbers]


@given(BATCHES, st.integers(0, 70))
def test_the_largest_batches_are_halved_until_there_are_enough(packed: Packing, count: int) -> None:
    split = packed.split_to(count)
    possible = max(len(packed), count) if count <= len(packed.positions) else len(packed)
    assert len(split) == possible
    assert split.positions is packed.positions
    assert set(packed.ends.tolist()) <= set(split.ends.tolist())
    assert all(len(batch) for batch in split)


def test_only_the_largest_are_halved() -> None:
    packed = Packing(np.arange(12), np.array([2, 9, 12]))
    assert [len(batch) for batch in packed.split_to(4)] == [2, 4, 3, 3]
    assert [len(batch) for batch in packed.split_to(6)] == [1, 1, 4, 3, 2, 1]


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_nothing_makes_no_batch(kind: type[np.number]) -> None:
    for arguments in ({}, {"padded": 3}, {"keep_oversized": True, "saturation": 0.5}):
        assert batches_of(pack(np.zeros(0, kind), 3, **arguments)) == []
        assert [len(batch) for batch in pack(np.zeros(7, kind), 3, **{**arguments, "saturation": 0})] == [7]  # type: ignore[arg-type]
