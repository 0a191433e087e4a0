"""Pieces of shards: each sample with exactly one reader, as many with each where that is wanted."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from aistorch.order.shards import Piece, deal_whole, pieces_of_run, run_of_rank, run_of_worker

counts_of_shards = st.lists(st.integers(0, 9), max_size=12)
readers = st.integers(1, 7)
pieces = st.builds(
    Piece, st.integers(0, 9), st.integers(0, 12), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 30))
)


def samples_of(taken: list[Piece], counts: list[int]) -> list[tuple[int, int]]:
    """The samples that pieces take, one after another: shard, and number in it."""
    return [
        (piece.shard, sample)
        for piece in taken
        for sample in range(counts[piece.shard])[piece.first : piece.stop : piece.step]
    ]


def all_samples(counts: list[int]) -> list[tuple[int, int]]:
    return [(shard, sample) for shard, count in enumerate(counts) for sample in range(count)]


@given(pieces, st.integers(0, 40), st.integers(0, 40), readers)
def test_what_a_piece_takes(piece: Piece, samples: int, taken: int, parts: int) -> None:
    own = samples_of([piece], [samples] * 10)
    assert piece.count(samples) == len(own)
    assert samples_of([piece.after(taken)], [samples] * 10) == own[taken:]
    for number in range(parts):
        assert samples_of([piece.part(number, parts)], [samples] * 10) == own[number::parts]
    assert not piece.is_whole or own == [(piece.shard, sample) for sample in range(samples)]


@given(counts_of_shards, readers, readers)
def test_whole_shards_are_dealt_over_ranks_and_workers_without_repeats(
    counts: list[int], ranks: int, workers: int
) -> None:
    shards = [Piece(number) for number in range(len(counts))]
    dealt = [
        deal_whole(deal_whole(shards, rank, ranks), worker, workers)
        for rank in range(ranks)
        for worker in range(workers)
    ]
    assert sorted(chain.from_iterable(samples_of(own, counts) for own in dealt)) == all_samples(counts)
    if len(shards) >= ranks * workers:
        assert all(piece.is_whole for own in dealt for piece in own)
    elif shards:
        assert all(dealt)  # nobody is without work
    lengths = [len(deal_whole(shards, rank, ranks)) for rank in range(ranks)]
    assert max(lengths) - min(lengths) <= 1


@given(st.integers(0, 200), st.integers(1, 12))
def test_runs_of_ranks_are_of_the_same_length(samples: int, ranks: int) -> None:
    padded = [run_of_rank(samples, rank, ranks, pad=True) for rank in range(ranks)]
    dropped = [run_of_rank(samples, rank, ranks, pad=False) for rank in range(ranks)]
    for runs in (padded, dropped):
        assert len({len(run) for run in runs}) == 1
        assert all(one.stop == other.start for one, other in pairwise(runs))
        assert runs[0].start == 0
    assert 0 <= padded[-1].stop - samples < ranks
    assert 0 <= samples - dropped[-1].stop < ranks


@given(st.integers(0, 50), st.integers(0, 200), st.integers(1, 9), readers)
def test_workers_take_whole_batches_of_a_run(start: int, length: int, batch_size: int, workers: int) -> None:
    run = range(start, start + length)
    parts = [run_of_worker(run, batch_size, worker, workers) for worker in range(workers)]
    assert list(chain.from_iterable(parts)) == list(run)
    partial = [len(part) % batch_size for part in parts if len(part) % batch_size]
    assert partial in ([], [length % batch_size])
    batches = [-(-len(part) // batch_size) for part in parts]
    assert max(batches) - min(batches) <= 1


@given(counts_of_shards, st.integers(0, 60), st.integers(0, 120), st.randoms())
def test_the_pieces_of_a_run_are_its_samples(counts: list[int], start: int, length: int, random: object) -> None:
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = list(pieces_of_run(range(start, start + length), order, [counts[shard] for shard in order]))
    in_order = [sample for shard in order for sample in all_samples(counts) if sample[0] == shard]
    expected = [in_order[position % len(in_order)] for position in range(start, start + length)] if in_order else []
    assert samples_of(found, counts) == expected
    assert all(piece.count(counts[piece.shard]) for piece in found)


@given(counts_of_shards, readers, readers, st.integers(1, 4))
def test_runs_over_ranks_and_workers_have_each_sample(
    counts: list[int], ranks: int, workers: int, batch_size: int
) -> None:
    total = sum(counts)
    for pad in (True, False):
        found: Counter[tuple[int, int]] = Counter()
        for rank in range(ranks):
            run = run_of_rank(total, rank, ranks, pad)
            for worker in range(workers):
                own = run_of_worker(run, batch_size, worker, workers)
                found.update(samples_of(list(pieces_of_run(own, range(len(counts)), counts)), counts))
        if pad:
            assert set(found) == set(all_samples(counts))
            assert found.total() - total < ranks
        else:
            assert max(found.values(), default=1) == 1
            assert total - found.total() < ranks
