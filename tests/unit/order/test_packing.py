"""Samples packed by size: none lost, none too many, held against packing by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aistorch.order.packing import pack


def packed_by_hand(sizes: list[int], limit: int, least: float, keep_oversized: bool) -> list[list[int]]:
    batches: list[list[int]] = []
    open_batch: list[int] = []
    for position, size in enumerate(sizes):
        if size > limit:
            if keep_oversized:
                batches.append([position])
            continue
        if sum(sizes[other] for other in open_batch) + size > limit:
            batches.append(open_batch)
            open_batch = []
        open_batch.append(position)
    if open_batch and sum(sizes[other] for other in open_batch) >= least:
        batches.append(open_batch)
    return batches


SIZES = st.lists(st.integers(0, 12), max_size=40)


@given(SIZES, st.integers(0, 15), st.floats(0, 15), st.booleans())
@settings(max_examples=300)
@example([5, 5, 5], 5, 0, True)
@example([9, 9], 5, 0, True)
@example([2, 9, 3, 5], 5, 0, True)
def test_batches_are_those_packed_by_hand(sizes: list[int], limit: int, least: float, keep_oversized: bool) -> None:
    packed = pack(np.array(sizes, dtype=np.int64), limit, least=least, keep_oversized=keep_oversized)
    batches = [batch.tolist() for batch in packed]
    assert sorted(batches) == sorted(packed_by_hand(sizes, limit, least, keep_oversized))
    assert len(packed) == len(batches)
    regular = [batch for batch in batches if sizes[batch[0]] <= limit]
    assert regular == sorted(regular)


@given(SIZES, st.integers(1, 15))
def test_no_sample_is_lost_and_none_twice(sizes: list[int], limit: int) -> None:
    batches = [batch.tolist() for batch in pack(np.array(sizes, dtype=np.int64), limit, keep_oversized=True)]
    assert sorted(position for batch in batches for position in batch) == list(range(len(sizes)))
    assert all(len(batch) == 1 or sum(sizes[position] for position in batch) <= limit for batch in batches)


def test_a_large_sample_stands_alone_where_it_is_met_while_the_batch_stays_open() -> None:
    assert [batch.tolist() for batch in pack(np.array([1, 9, 1, 1, 9]), 3, keep_oversized=True)] == [
        [1],
        [0, 2, 3],
        [4],
    ]
    assert [batch.tolist() for batch in pack(np.array([1, 1, 9, 2, 9]), 3, keep_oversized=True)] == [
        [2],
        [0, 1],
        [4],
        [3],
    ]
