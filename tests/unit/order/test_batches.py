"""The plan of an epoch: each sample once, within the limits, as many batches in each epoch, others each time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.order.batches import BatchPlan
from aistorch.order.packing import Packing

DURATIONS = np.random.default_rng(1).lognormal(1.8, 0.7, 3000).clip(0.5, 30)

COSTS = st.lists(st.integers(0, 12), max_size=50).map(lambda found: np.array(found, dtype=np.int64)) | st.lists(
    st.floats(0, 12, width=32), max_size=50
).map(np.array)
LIMITS = st.floats(1, 30) | st.integers(1, 30) | st.just(math.inf)


def batches_of(packed: Packing) -> list[list[int]]:
    return [batch.tolist() for batch in packed]


def flat(packed: Packing) -> list[int]:
    return sorted(packed.positions.tolist())


@given(
    COSTS, LIMITS, LIMITS, st.booleans(), st.sampled_from([1, 2, 5]), st.booleans(), st.integers(), st.integers(0, 9)
)
@settings(max_examples=300)
def test_each_sample_comes_once_and_no_batch_is_beyond_a_limit(
    costs: Any, limit: float, padded: float, oversized: bool, buckets: int, shuffle: bool, seed: int, epoch: int
) -> None:
    plan = BatchPlan(costs, limit, padded, 0, oversized, buckets, shuffle, seed)
    packed = plan.batches(epoch)
    assert len(packed) == plan.count
    assert flat(packed) == [i for i, cost in enumerate(costs.tolist()) if oversized or cost <= min(limit, padded)]
    for batch in batches_of(packed):
        found = [costs[position] for position in batch]
        assert len(batch) == 1 or math.fsum(found) <= limit * (1 + 1e-12)
        assert len(batch) == 1 or max(found) * len(batch) <= padded


@given(COSTS, LIMITS, st.sampled_from([0.5, 0.8, 1]), st.sampled_from([1, 3]), st.integers(0, 99))
@settings(max_examples=200)
def test_epochs_have_as_many_batches_where_the_last_one_is_left_out(
    costs: Any, limit: float, saturation: float, buckets: int, seed: int
) -> None:
    plan = BatchPlan(costs, limit, saturation=saturation, buckets=buckets, shuffle=True, seed=seed)
    fitting = int((costs <= limit).sum())
    for epoch in range(6):
        packed = plan.batches(epoch)
        assert len(packed) == plan.count
        assert len(set(flat(packed))) == len(packed.positions) <= fitting
        assert all(len(batch) for batch in packed)


@pytest.mark.parametrize("buckets", [1, 20])
def test_epochs_have_as_many_batches_and_other_ones(buckets: int) -> None:
    plan = BatchPlan(DURATIONS, 120, buckets=buckets, shuffle=True, seed=4)
    epochs = [batches_of(plan.batches(epoch)) for epoch in range(5)]
    assert {len(batches) for batches in epochs} == {plan.count}
    members = [{frozenset(batch) for batch in batches} for batches in epochs]
    for first in range(5):
        for second in range(first):
            assert len(members[first] & members[second]) < 0.02 * plan.count


def test_few_batches_are_halved_to_come_to_as_many() -> None:
    """No order of the epochs is much worse than the greedy one of that order."""
    plan = BatchPlan(DURATIONS, 60, shuffle=True, seed=2)
    greedy = BatchPlan(DURATIONS, 60).count
    assert abs(plan.count - greedy) <= 0.02 * greedy


def test_buckets_spare_padding() -> None:
    def padding(buckets: int) -> float:
        packed = BatchPlan(DURATIONS, padded=240, buckets=buckets, shuffle=True).batches(0)
        longest = np.maximum.reduceat(DURATIONS[packed.positions], packed.starts)
        return float(1 - DURATIONS.sum() / (longest * packed.sizes).sum())

    assert padding(1) > 0.5
    assert padding(10) < 0.2
    assert padding(30) < 0.1


def test_batches_of_all_buckets_come_mixed() -> None:
    packed = BatchPlan(DURATIONS, 240, buckets=10, shuffle=True).batches(0)
    means = np.array([DURATIONS[batch].mean() for batch in packed])
    half = len(means) // 2
    assert abs(means[:half].mean() - means[half:].mean()) < 0.25 * means.mean()
    assert means.max() > 3 * means.min()


def test_buckets_without_a_shuffle_come_in_the_order_of_the_dataset() -> None:
    costs = np.array([9, 1, 8, 2, 9, 1, 2, 8])
    plan = BatchPlan(costs, 22, buckets=2)
    assert batches_of(plan.batches(0)) == [[0, 4], [1, 2, 3, 5, 6, 7]]
    assert batches_of(plan.batches(7)) == batches_of(plan.batches(0))


def test_a_first_epoch_that_packs_by_luck_better_than_all_others_is_kept() -> None:
    """Only orders that pair each 6 with a 4 need no more than so many batches."""
    costs = np.array([6, 4] * 12)
    seeds = sorted(range(30), key=lambda seed: BatchPlan(costs, 10, shuffle=True, seed=seed).count)
    plan = BatchPlan(costs, 10, shuffle=True, seed=seeds[0])
    orders = [batches_of(plan.batches(epoch)) for epoch in range(12)]
    assert {len(batches) for batches in orders} == {plan.count}
    assert len({str(batches) for batches in orders}) == 12
    assert all(sorted(index for batch in batches for index in batch) == list(range(24)) for batches in orders)


def test_the_plan_is_the_same_everywhere() -> None:
    costs = np.arange(1, 13)
    plan = BatchPlan(costs, 20, buckets=2, shuffle=True, seed=5)
    assert batches_of(plan.batches(3)) == [[10], [4, 1, 2, 6], [3, 0, 7, 5], [9], [11], [8]]
