"""States of shards and mixtures, gone on with by other ranks and workers: each remaining sample once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from aistore.sdk import Bucket
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch import AISDataLoader, AISIterDataset, AISMixedDataset, AISShardReader
from aistorch.config import ShuffleConfig
from aistorch.errors import ShardError
from aistorch.fetch import chunks
from aistorch.order.mixed_sequence import MixedSequence
from aistorch.order.mixing import MixPlan
from aistorch.order.shard_sequence import ShardSequence
from aistorch.order.shards import Piece
from aistorch.shards import pieces, scattered
from tests.contract.conftest import Server
from tests.support.objects import new_bucket, put_all
from tests.support.shards import Files, files_of, names, shard_bucket
from tests.support.tars import pack

SHARDS: dict[str, Files] = {f"{number}.tar": files_of(f"s{number}", 3 + 5 * number, ("x",)) for number in range(5)}
COUNT = sum(3 + 5 * number for number in range(5))
NAMES = sorted(f"s{number}-{sample:03}" for number in range(5) for sample in range(3 + 5 * number))
OBJECTS = {f"o{number:02}": b"x" for number in range(30)}
BATCH = 4
SHUFFLED = ShuffleConfig(buffer=11)


@pytest.fixture(scope="module")
def shards(second_server: Server) -> Iterator[Bucket]:
    with shard_bucket(second_server.client(), SHARDS, with_indices=True) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def objects(second_server: Server) -> Iterator[Bucket]:
    with new_bucket(second_server.client(), OBJECTS) as bucket:
        yield bucket


Make = Callable[..., AISDataLoader[Any]]


@pytest.fixture(params=["shards", "shuffled shards", "mixture", "mixture of a mixture"])
def make(request: pytest.FixtureRequest, shards: Bucket, objects: Bucket) -> Make:
    def of_shards(shuffle: Any, **order: Any) -> Any:
        return AISShardReader(shards, shuffle=shuffle, seed=3, **order)

    def mixed(**order: Any) -> Any:
        return AISMixedDataset([of_shards(SHUFFLED), AISIterDataset(objects, shuffle=True)], [2, 1], "all", **order)

    def of_mixture(**order: Any) -> Any:
        return AISMixedDataset([mixed(), AISIterDataset(objects, seed=1, shuffle=True)], [3, 1], "all", **order)

    makers: dict[str, Callable[..., Any]] = {
        "shards": lambda **order: of_shards(False, **order),
        "shuffled shards": lambda **order: of_shards(SHUFFLED, **order),
        "mixture": mixed,
        "mixture of a mixture": of_mixture,
    }

    def loader(workers: int = 0, rank: int = 0, ranks: int = 1, even: Any = "pad") -> AISDataLoader[Any]:
        dataset = makers[request.param](rank=rank, world_size=ranks, even=even)
        return AISDataLoader(dataset, BATCH, num_workers=workers, collate_fn=names)

    return loader


def test_batches_do_not_depend_on_the_number_of_workers(make: Make) -> None:
    expected = list(make())
    for workers in (1, 2, 3):
        loader = make(workers)
        assert list(loader) == expected
        assert len(loader) == len(expected)
    for rank in range(2):
        assert list(make(2, rank, 2)) == list(make(0, rank, 2))


@pytest.mark.parametrize(("before", "after"), [((2, 0), (3, 2)), ((3, 2), (1, 0)), ((1, 2), (2, 0))])
def test_other_ranks_and_workers_go_on_with_what_is_left(
    make: Make, before: tuple[int, int], after: tuple[int, int]
) -> None:
    whole = [name for batch in make() for name in batch]
    ranks, workers = before
    begun, states = [], []
    for rank in range(ranks):
        loader = make(workers, rank, ranks)
        begun.append(list(islice(loader, 3)))
        states.append(json.loads(json.dumps(loader.state_dict())))
    assert all(state == states[0] for state in states)
    assert len(json.dumps(states[0])) < 1024
    found = [name for turn in range(3) for part in begun for name in part[turn]]
    new_ranks, new_workers = after
    rest = []
    for rank in range(new_ranks):
        loader = make(new_workers, rank, new_ranks, "off")
        loader.load_state_dict(states[0])
        rest.append(list(loader))
    turns = [part[turn] for turn in range(len(rest[0])) for part in rest if turn < len(part)]
    # In the order of one rank that was never interrupted, too.
    assert found + [name for batch in turns for name in batch] == whole


@pytest.mark.parametrize("shuffle", [False, SHUFFLED])
def test_ranks_read_together_what_one_reads(shards: Bucket, shuffle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything read again that was consumed before a state was saved."""
    arrived = [0]

    def counted(*args: Any, **options: Any) -> Iterator[Any]:
        for chunk in chunks.stream_chunks(*args, **options):
            arrived[0] += len(chunk.content)
            yield chunk

    monkeypatch.setattr(pieces, "stream_chunks", counted)
    monkeypatch.setattr(scattered, "stream_chunks", counted)

    def read(*, samples: int = COUNT, state: Any = None, **order: Any) -> tuple[int, Any]:
        dataset = AISShardReader(shards, shuffle=shuffle, batch_size=BATCH, **order)
        if state is not None:
            dataset.load_state_dict(state)
        before = arrived[0]
        list(islice(dataset, samples))
        return arrived[0] - before, dataset.state_dict()

    whole, _ = read()
    assert sum(read(rank=rank, world_size=3, even="off")[0] for rank in range(3)) < 1.1 * whole
    consumed, state = read(samples=7 * BATCH)
    rest = sum(read(state=state, rank=rank, world_size=2, even="off")[0] for rank in range(2))
    assert rest < 1.1 * whole * (COUNT - 7 * BATCH) / COUNT + 8 * 512
    assert consumed <= whole


@given(st.data())
def test_positions_stand_for_each_sample_once(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 9), max_size=6))
    window, seed, epoch = (data.draw(st.integers(low, high)) for low, high in ((1, 12), (0, 3), (0, 3)))
    shards = np.array(data.draw(st.permutations(range(len(counts)))), dtype=np.int64)
    ends = np.cumsum([counts[shard] for shard in shards], dtype=np.int64)
    sequence = ShardSequence(shards, ends, window, seed, epoch)

    def read(positions: list[int], block: int) -> list[tuple[int, int]]:
        cut = [np.array(positions[at : at + block], dtype=np.int64) for at in range(0, len(positions), block)]
        found: list[tuple[int, int]] = []
        for gather in sequence.gathers(cut):
            samples = [
                (piece.shard, piece.first + number)
                for piece, count in zip(gather.pieces, gather.counts, strict=True)
                for number in range(count)
            ]
            found += samples if gather.order is None else [samples[number] for number in gather.order]
        return found

    whole = read(list(range(len(sequence))), data.draw(st.integers(1, 20)))
    assert sorted(whole) == [(shard, number) for shard, count in enumerate(counts) for number in range(count)]
    # Any part in rising order, cut into any blocks, is that part of the whole.
    part = sorted(data.draw(st.sets(st.integers(0, max(0, len(whole) - 1))))) if whole else []
    assert read(part, data.draw(st.integers(1, 7))) == [whole[position] for position in part]


def test_a_whole_shard_is_one_piece_without_an_end() -> None:
    sequence = ShardSequence(np.array([1, 0]), np.array([4, 9]))
    (gather,) = sequence.gathers([np.arange(9)])
    assert gather.pieces == [Piece(1), Piece(0)]
    assert gather.counts == [4, 5]


@given(
    sizes=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    stop=st.sampled_from(["first", "all"]),
    data=st.data(),
)
@settings(max_examples=60)
def test_a_mixture_by_position_is_the_mixture_one_by_one(sizes: list[int], stop: str, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(sizes), max_size=len(sizes)))
    plan = MixPlan.of_weights(weights)
    make = MixedSequence.ending_with_first if stop == "first" else MixedSequence.ending_with_all
    sequence = make(plan, sizes)
    components, own = sequence.locate(np.arange(len(sequence)))
    found = list(zip(components.tolist(), own.tolist(), strict=True))
    one_by_one = AISMixedDataset([_Numbers(number, size) for number, size in enumerate(sizes)], weights, stop)  # type: ignore[arg-type]
    assert found == [*islice(one_by_one, 999)]


class _Numbers:
    """An iterable dataset of another package."""

    def __init__(self, number: int, size: int) -> None:
        self.number, self.size = number, size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.number, sample) for sample in range(self.size))


@pytest.mark.parametrize("world", [(0, 1), (0, 2)])
def test_a_shard_that_was_replaced_by_a_shorter_one_is_an_error(second_server: Server, world: tuple[int, int]) -> None:
    with shard_bucket(second_server.client(), SHARDS, with_indices=True) as bucket:
        rank, size = world
        dataset = AISShardReader(bucket, shuffle=SHUFFLED, batch_size=BATCH, rank=rank, world_size=size)
        dataset.prepare()
        put_all(bucket, {"4.tar": pack(SHARDS["4.tar"][:9])})
        with pytest.warns(match="overwritten"), pytest.raises(ShardError, match=r"4\.tar"):
            list(islice(dataset, 999))
