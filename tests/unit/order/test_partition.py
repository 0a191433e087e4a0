"""Who reads what: held against a deal of lists, and by what has to be true of any deal."""

from __future__ import annotations

from collections import Counter
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.errors import InvalidArgumentError
from aistorch.order.partition import Deal, Even

Batches = list[list[int]]


def dealt_by_hand(deal: Deal) -> list[Batches]:
    """The batches of each rank, as one would deal cards."""
    cards = list(range(deal.start, deal.count))
    hands: list[Batches] = [[] for _ in range(deal.ranks)]
    while len(cards) >= deal.ranks * deal.batch_size:
        for hand in hands:
            hand.append([cards.pop(0) for _ in range(deal.batch_size)])
    if deal.even == "off":
        for hand in hands:
            if cards:
                hand.append(cards[: deal.batch_size])
                cards = cards[deal.batch_size :]
    elif cards:
        again = 0
        while len(cards) % deal.ranks and deal.even == "pad":
            cards.append(again % deal.count)
            again += 1
        each = len(cards) // deal.ranks
        for rank, hand in enumerate(hands):
            if each:
                hand.append(cards[rank * each : (rank + 1) * each])
    if deal.drop_last:
        return [[batch for batch in hand if len(batch) == deal.batch_size] for hand in hands]
    return hands


def read(deal: Deal, rank: int, worker: int = 0, workers: int = 1, **arguments: int) -> list[int]:
    """What one worker reads, all blocks together."""
    return [int(position) for block in deal.positions(rank, worker, workers, **arguments) for position in block]


def loaded(deal: Deal, rank: int, workers: int, skip: int = 0) -> Batches:
    """The batches that a DataLoader with so many workers yields: one of each in turn."""
    per_worker = []
    for worker in range(workers):
        own = read(deal, rank, worker, workers, skip=skip)
        per_worker.append([own[first : first + deal.batch_size] for first in range(0, len(own), deal.batch_size)])
    return [batch for turn in zip_longest(*per_worker) for batch in turn if batch is not None]


def all_loaded(deal: Deal, workers: int = 1) -> list[Batches]:
    return [loaded(deal, rank, workers) for rank in range(deal.ranks)]


def in_global_order(hands: list[Batches]) -> list[int]:
    """Global batch g is the g // ranks-th of rank g % ranks."""
    turns = zip_longest(*hands, fillvalue=[])
    return list(chain.from_iterable(chain.from_iterable(turns)))


EVEN: list[Even] = ["pad", "drop", "off"]
DEALS = st.builds(
    Deal,
    count=st.integers(0, 150),
    batch_size=st.integers(1, 9),
    ranks=st.integers(1, 6),
    even=st.sampled_from(EVEN),
    drop_last=st.booleans(),
    start=st.integers(0, 160),
)
WORKERS = st.integers(1, 5)


@given(DEALS, WORKERS)
@settings(max_examples=300)
def test_every_worker_reads_what_dealing_by_hand_gives_it(deal: Deal, workers: int) -> None:
    hands = dealt_by_hand(deal)
    for rank, hand in enumerate(hands):
        assert loaded(deal, rank, workers) == hand
        for worker in range(workers):
            assert read(deal, rank, worker, workers) == list(chain.from_iterable(hand[worker::workers]))
        assert deal.batches_of(rank) == len(hand)
        assert deal.samples_of(rank) == sum(map(len, hand))


@given(DEALS, WORKERS)
def test_everything_is_read_and_nothing_twice(deal: Deal, workers: int) -> None:
    deal = Deal(deal.count, deal.batch_size, deal.ranks, deal.even, False, deal.start)
    times = Counter(chain.from_iterable(chain.from_iterable(all_loaded(deal, workers))))
    left = range(deal.start, deal.count)
    if deal.even == "off" or deal.ranks == 1:
        assert times == Counter(left)
    elif deal.even == "drop":
        missing = set(left) - set(times)
        assert missing == set(left[len(left) - len(missing) :])
        assert len(missing) < deal.ranks
        assert times.total() == len(times)
    else:
        repeated = times - Counter(left)
        assert not Counter(left) - times
        assert repeated.total() < deal.ranks
        # From the start of the epoch on, as often round as it takes.
        assert repeated == Counter(position % deal.count for position in range(repeated.total()))


@given(DEALS)
def test_ranks_get_as_many(deal: Deal) -> None:
    samples = [deal.samples_of(rank) for rank in range(deal.ranks)]
    batches = [deal.batches_of(rank) for rank in range(deal.ranks)]
    if deal.even == "off":
        assert max(batches) - min(batches) <= 1
        assert max(samples) - min(samples) <= deal.batch_size
    else:
        assert len(set(samples)) == len(set(batches)) == 1
        if deal.drop_last:
            assert samples[0] == batches[0] * deal.batch_size


@given(DEALS, WORKERS)
def test_merged_by_batch_the_order_is_that_of_one_process(deal: Deal, workers: int) -> None:
    merged = in_global_order(all_loaded(deal, workers))
    if deal.even == "off" and not deal.drop_last:
        assert merged == list(range(deal.start, deal.count))
    else:
        whole = (len(range(deal.start, deal.count)) // (deal.ranks * deal.batch_size)) * deal.ranks * deal.batch_size
        assert merged[:whole] == list(range(deal.start, deal.start + whole))


@given(DEALS, WORKERS, st.integers(0, 40))
def test_skipping_batches_leaves_the_rest_of_the_whole(deal: Deal, workers: int, batches: int) -> None:
    for rank, hand in enumerate(dealt_by_hand(deal)):
        assert loaded(deal, rank, workers, skip=batches * deal.batch_size) == hand[batches:]


@given(DEALS, WORKERS, st.integers(0, 170))
def test_skipping_any_number_leaves_the_rest_of_the_whole(deal: Deal, workers: int, skip: int) -> None:
    for rank, hand in enumerate(dealt_by_hand(deal)):
        rest = list(chain.from_iterable(hand))[skip:]
        assert read(deal, rank, skip=skip) == rest
        # Worker 0 begins, with what is left of the batch.
        begun, taken = divmod(skip, deal.batch_size)
        batches = hand[begun:]
        for worker in range(workers):
            own = list(chain.from_iterable(batches[worker::workers]))
            assert read(deal, rank, worker, workers, skip=skip) == (own[taken:] if worker == 0 else own)


@given(DEALS, st.integers(0, 12), st.integers(1, 4))
def test_a_consumed_part_becomes_the_start_of_the_same_deal(deal: Deal, batches: int, workers: int) -> None:
    later = Deal(deal.count, deal.batch_size, deal.ranks, deal.even, deal.drop_last, deal.consumed(batches))
    for rank in range(deal.ranks):
        if deal.even == "off" or deal.batches_of(rank) >= batches:
            assert loaded(later, rank, workers) == loaded(deal, rank, workers)[batches:]


@given(
    count=st.integers(1, 200),
    batch_size=st.integers(1, 6),
    runs=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 6)), min_size=1, max_size=6),
    even=st.sampled_from(EVEN),
)
@settings(max_examples=200)
def test_runs_of_other_numbers_of_ranks_and_workers_read_each_position_once_and_in_order(
    count: int, batch_size: int, runs: list[tuple[int, int, int]], even: Even
) -> None:
    start, seen = 0, []
    for ranks, workers, batches in runs:  # each run is killed after every rank has taken so many batches
        deal = Deal(count, batch_size, ranks, even, start=start)
        batches = min(batches, len(range(start, count)) // (ranks * batch_size))
        seen += in_global_order([hand[:batches] for hand in all_loaded(deal, workers)])
        start = deal.consumed(batches)
        assert seen == list(range(start))
    ranks, workers, _ = runs[-1]
    last = all_loaded(Deal(count, batch_size, ranks, "off", start=start), workers)
    assert seen + in_global_order(last) == list(range(count))
    padded = all_loaded(Deal(count, batch_size, ranks, "pad", start=start), workers)
    assert set(seen) | set(in_global_order(padded)) == set(range(count))


@given(DEALS, WORKERS, st.integers(1, 40), st.integers(0, 60))
def test_blocks_are_whole_batches_and_only_parts_of_the_same(deal: Deal, workers: int, block: int, skip: int) -> None:
    for rank in range(deal.ranks):
        for worker in range(workers):
            blocks = list(deal.positions(rank, worker, workers, skip=skip, block=block))
            assert [int(each) for part in blocks for each in part] == read(deal, rank, worker, workers, skip=skip)
            assert all(part.dtype == np.int64 and 0 < len(part) <= max(block, deal.batch_size) for part in blocks)
            assert all(len(part) % deal.batch_size == 0 for part in blocks[1:-1])


@pytest.mark.parametrize("even", EVEN)
def test_a_trillion_positions_are_dealt_without_a_table(even: Even) -> None:
    deal = Deal(10**12 + 7, 256, 64, even)
    first = next(deal.positions(3, 1, 2))
    assert first[:256].tolist() == list(range((64 + 3) * 256, (64 + 4) * 256))
    assert len(first) == 65536
    assert sum(deal.samples_of(rank) for rank in range(64)) - deal.count in range(-63, 64)
    rest = read(deal, 0, skip=deal.samples_of(0) - 300)
    assert len(rest) == 300
    assert rest[-1] < deal.count


def test_what_is_padded_comes_from_the_start_of_the_epoch_in_a_resumed_run_too() -> None:
    assert all_loaded(Deal(10, 2, 3, "pad", start=6)) == [[[6, 7]], [[8, 9]], [[0, 1]]]
    assert all_loaded(Deal(2, 4, 5, "pad")) == [[[0]], [[1]], [[0]], [[1]], [[0]]]
    assert all_loaded(Deal(2, 4, 5, "drop")) == [[], [], [], [], []]
    assert all_loaded(Deal(0, 4, 2, "pad")) == [[], []]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, "count is -1"),
        ({"count": 1, "batch_size": 0}, "batch_size is 0"),
        ({"count": 1, "ranks": 0}, "ranks is 0"),
        ({"count": 1, "start": -1}, "start is -1"),
        ({"count": 1, "even": "maybe"}, "even is 'maybe'.*pad, drop, off"),
    ],
)
def test_impossible_deals_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Deal(**arguments)


def test_impossible_parts_are_refused_before_anything_is_dealt() -> None:
    deal = Deal(10, ranks=2)
    with pytest.raises(InvalidArgumentError, match="rank 2 of 2"):
        deal.positions(2)
    with pytest.raises(InvalidArgumentError, match="rank -1 of 2"):
        deal.samples_of(-1)
    with pytest.raises(InvalidArgumentError, match="worker 3 of 3"):
        deal.positions(0, 3, 3)
    with pytest.raises(InvalidArgumentError, match="skip is -1"):
        deal.positions(0, skip=-1)


@given(DEALS)
def test_remainder_is_what_the_last_batches_of_all_ranks_have_without_what_is_repeated(deal: Deal) -> None:
    dealt = list(chain.from_iterable(chain.from_iterable(all_loaded(deal, 1))))
    last = [hand[-1] for hand in dealt_by_hand(deal) if hand]
    repeated = len(dealt) - len(range(deal.start, deal.count))
    assert deal.remainder == (sum(map(len, last)) - repeated if repeated > 0 else 0)
