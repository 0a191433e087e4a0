"""Buckets of like cost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aistorch.order.buckets import bucket_edges, by_bucket

COSTS = st.lists(st.integers(0, 50), max_size=60)


@given(COSTS, st.integers(1, 12), st.sampled_from([np.int64, np.float64]))
def test_samples_are_sorted_by_bucket_and_keep_their_order_in_it(
    costs: list[int], buckets: int, kind: type[np.number]
) -> None:
    array = np.array(costs, dtype=kind)
    edges = bucket_edges(array, buckets)
    assert len(edges) < max(buckets, 1)
    order = by_bucket(array, edges)
    assert sorted(order.tolist()) == list(range(len(costs)))
    numbers = [sum(edge < costs[position] for edge in edges.tolist()) for position in order.tolist()]
    assert numbers == sorted(numbers)
    for number in set(numbers):
        same = [position for position, found in zip(order.tolist(), numbers, strict=True) if found == number]
        assert same == sorted(same)


def test_buckets_cost_about_the_same() -> None:
    costs = np.random.default_rng(0).lognormal(2, 0.6, 20_000)
    edges = bucket_edges(costs, 10)
    totals = np.bincount(edges.searchsorted(costs), costs)
    assert len(totals) == 10
    assert totals.max() / totals.min() < 1.02


def test_one_cost_is_one_bucket() -> None:
    assert len(set(np.searchsorted(bucket_edges(np.full(100, 3), 7), np.full(100, 3)).tolist())) == 1
    assert by_bucket(np.zeros(5), bucket_edges(np.zeros(5), 3)).tolist() == [0, 1, 2, 3, 4]


def test_many_buckets_are_told_apart() -> None:
    costs = np.arange(1000, 2000)[::-1].copy()
    assert by_bucket(costs, bucket_edges(costs, 60_000)).tolist() == list(range(999, -1, -1))
