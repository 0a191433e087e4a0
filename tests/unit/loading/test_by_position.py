"""Positions dealt to ranks and workers, and places that are gone on from: by a toy without any objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, StateMismatchError
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.worker_slots import Share

ALONE = Share()


class Numbers(OrderedByPosition):
    """Hands out the positions themselves."""

    def __init__(self, count: int, fingerprint: str = "f", **order: Any) -> None:
        self.count, self.listing = count, fingerprint
        self._set_order(**order)

    def _count(self) -> int:
        return self.count

    def _fingerprint(self) -> str:
        return self.listing

    def read(self, share: Share = ALONE, block: int = 16) -> Iterator[int]:
        place = self._start(share)
        for positions in self._positions(place, block):
            for position in positions.tolist():
                place.taken += 1
                yield position

    def __len__(self) -> int:
        return self.samples_of_epoch()

    @property
    def left(self) -> int:
        return self.samples_after(self.place())


def worlds(size: int) -> list[dict[str, Any]]:
    return [{"rank": rank, "world_size": size} for rank in range(size)]


def batches(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


orders = st.fixed_dictionaries({"shuffle": st.booleans(), "seed": st.integers(0, 3), "batch_size": st.integers(1, 5)})
counts = st.integers(0, 60)


@given(count=counts, size=st.integers(1, 4), workers=st.integers(1, 4), order=orders)
def test_workers_in_turn_give_the_batches_of_their_rank(
    count: int, size: int, workers: int, order: dict[str, Any]
) -> None:
    for world in worlds(size):
        alone = list(Numbers(count, **order, **world).read())
        assert len(alone) == len(Numbers(count, **order, **world))
        turns = [
            batches(list(Numbers(count, **order, **world).read(Share(worker, workers))), order["batch_size"])
            for worker in range(workers)
        ]
        merged = [part[turn] for turn in range(len(turns[0])) for part in turns if turn < len(part)]
        assert merged == batches(alone, order["batch_size"])


@given(count=counts, size=st.integers(1, 4), order=orders)
def test_ranks_have_all_and_as_many(count: int, size: int, order: dict[str, Any]) -> None:
    read = [list(Numbers(count, **order, **world).read()) for world in worlds(size)]
    assert {number for part in read for number in part} == set(range(count))
    assert len({len(part) for part in read}) == 1
    assert sum(map(len, read)) - count < size


@given(count=counts, order=orders, data=st.data(), rank=st.integers(0, 2))
def test_a_rank_goes_on_at_any_sample(count: int, order: dict[str, Any], data: st.DataObject, rank: int) -> None:
    def make() -> Numbers:
        return Numbers(count, **order, rank=rank, world_size=3)

    whole = list(make().read())
    taken = data.draw(st.integers(0, len(whole)))
    reading = make()
    samples = reading.read()
    first = [next(samples) for _ in range(taken)]
    state = json.loads(json.dumps(reading.state_dict()))
    resumed = make()
    resumed.load_state_dict(state)
    if taken < len(whole):
        assert resumed.state_dict() == state
        assert (len(resumed), resumed.left) == (len(whole), len(whole) - taken)
        assert first + list(resumed.read()) == whole
    # Once more, without the state: the whole next epoch.
    following = make()
    following.set_epoch(1)
    assert list(resumed.read()) == list(following.read())


@given(
    count=counts,
    order=orders,
    worker=st.integers(0, 3),
    workers=st.integers(2, 4),
    begun=st.integers(0, 60),
    stops=st.lists(st.integers(0, 12), max_size=3),
)
def test_a_worker_goes_on_at_any_sample(
    count: int, order: dict[str, Any], worker: int, workers: int, begun: int, stops: list[int]
) -> None:
    """As torchdata's loader has it: the state of each worker is its own."""
    share, fresh = Share(worker % workers, workers), Numbers(count, **order)
    state = fresh.state_after(fresh.place(), begun)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Share, "of_this_process", classmethod(lambda _: share))

        def read(state: dict[str, Any], samples: int | None) -> tuple[list[int], dict[str, Any]]:
            reading = Numbers(count, **order)
            reading.load_state_dict(state)
            return list(islice(reading.read(share), samples)), json.loads(json.dumps(reading.state_dict()))

        whole, _ = read(state, None)
        done: list[int] = []
        for stop in (*stops, None):
            own, state = read(state, stop)
            done += own
    assert done == whole


@given(count=counts, order=orders, sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), data=st.data())
def test_other_numbers_of_ranks_go_on(count: int, order: dict[str, Any], sizes: list[int], data: st.DataObject) -> None:
    """Whole batches of all ranks are read by one world after another: in the end all of them, in global order."""
    size_of_batch = order["batch_size"]
    whole = batches(list(Numbers(count, **order).read()), size_of_batch)
    state, read = Numbers(count, **order).state_dict(), []
    for size in sizes:
        parts = []
        readers = [Numbers(count, **order, even="off", **world) for world in worlds(size)]
        for reader in readers:
            reader.load_state_dict(state)
            reader.set_epoch(0)  # whatever is left of it
        own = [batches(list(reader.read()), size_of_batch) for reader in readers]
        full = len(own[-1])
        rounds = data.draw(st.integers(0, full))
        parts = [part[turn] for turn in range(rounds) for part in own]
        read += parts
        places = []
        for reader in readers:
            fresh = Numbers(count, **order, even="off", rank=reader._given_world[0], world_size=size)
            fresh.load_state_dict(state)
            fresh.set_epoch(0)
            places.append(fresh.state_after(fresh.place(), sum(map(len, own[0][:rounds]))))
        state = places[0]
    last = Numbers(count, **order)
    last.load_state_dict(state)
    last.set_epoch(0)
    # What one rank reads after them is cut into batches anew.
    assert [number for part in read for number in part] + list(last.read()) == [n for part in whole for n in part]


def test_a_state_of_the_end_begins_the_next_epoch_in_any_world() -> None:
    for even in ("pad", "drop", "off"):
        for size in (1, 2, 3):
            reading = Numbers(11, batch_size=2, even=even, rank=0, world_size=size)
            list(reading.read())
            state = reading.state_dict()
            for world in worlds(2):
                resumed = Numbers(11, batch_size=2, even=even, **world)
                resumed.load_state_dict(state)
                assert (resumed.epoch, resumed.next_epoch) == (1, 1)
                assert list(resumed.read()) == list(Numbers(11, batch_size=2, even=even, **world).read())
                # Whoever says that it is the finished one still has nothing left of it.
                resumed.load_state_dict(state)
                resumed.set_epoch(0)
                assert resumed.left == 0
                assert list(resumed.read()) == []


def test_within_a_batch_only_as_many_ranks_go_on() -> None:
    reading = Numbers(50, batch_size=4, rank=1, world_size=2)
    samples = reading.read()
    first = [next(samples) for _ in range(6)]
    state = reading.state_dict()
    same = Numbers(50, batch_size=4, rank=1, world_size=2)
    same.load_state_dict(state)
    assert first + list(same.read()) == list(Numbers(50, batch_size=4, rank=1, world_size=2).read())
    other = Numbers(50, batch_size=4, rank=0, world_size=3)
    other.load_state_dict(state)
    for _ in range(2):  # and is not forgotten for that
        with pytest.raises(StateMismatchError, match="2 ranks"):
            next(other.read())


def test_each_iteration_is_the_next_epoch_unless_one_is_set() -> None:
    numbers = Numbers(40, shuffle=True, seed=3)
    epochs = [list(numbers.read()) for _ in range(3)]
    assert numbers.epoch == 2
    numbers.set_epoch(0)
    epochs += [list(numbers.read()) for _ in range(2)]
    assert epochs[3:] == epochs[:2]
    assert len({tuple(read) for read in epochs}) == 3
    assert all(sorted(read) == list(range(40)) for read in epochs)
    assert list(Numbers(40, shuffle=True, seed=4).read()) != epochs[0]


def test_set_epoch_keeps_a_place_in_this_epoch_only() -> None:
    numbers = Numbers(10)
    numbers.set_epoch(2)
    samples = numbers.read()
    assert [next(samples) for _ in range(4)] == [0, 1, 2, 3]
    state = numbers.state_dict()
    for epoch, first in ((2, 4), (3, 0)):
        other = Numbers(10)
        other.load_state_dict(state)
        assert other.epoch == 2
        other.set_epoch(epoch)
        assert next(other.read()) == first


def test_two_iterations_at_once_do_not_mix_their_places() -> None:
    numbers = Numbers(10)
    first, second = numbers.read(), numbers.read()
    assert [next(first), next(first), next(second), next(first)] == [0, 1, 0, 2]
    resumed = Numbers(10)
    resumed.load_state_dict(numbers.state_dict())
    assert next(resumed.read()) == 1  # of the one that was begun last


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"shuffle": False}, "shuffle was True and is False"),
        ({"batch_size": 5}, "batch_size was 4 and is 5"),
        ({"batch_size": None}, "batch_size was 4 and is None"),
        ({"count": 21}, "count was 20 and is 21.*strict=False"),
        ({"fingerprint": "g"}, "fingerprint was 'f' and is 'g'"),
    ],
)
def test_a_state_of_another_dataset_is_refused(change: dict[str, Any], text: str) -> None:
    arguments: dict[str, Any] = {"count": 20, "fingerprint": "f", "shuffle": True, "seed": 1, "batch_size": 4}
    saved = Numbers(**arguments)
    saved.set_epoch(3)
    other = Numbers(**{**arguments, **change})
    with pytest.raises(StateMismatchError, match=text):
        other.load_state_dict(saved.state_dict())
    assert other.epoch == 0
    assert len(list(other.read())) == other.count


def test_a_grown_listing_goes_on_where_that_is_wanted() -> None:
    saved = Numbers(20, batch_size=4)
    samples = saved.read()
    first = [next(samples) for _ in range(8)]
    grown = Numbers(30, "g", batch_size=4)
    grown.load_state_dict(saved.state_dict(), strict=False)
    assert first + list(grown.read()) == list(range(30))
    with pytest.raises(StateMismatchError, match="seed"):
        Numbers(30, "g", batch_size=4, seed=1).load_state_dict(saved.state_dict(), strict=False)


@pytest.mark.parametrize("state", [{}, {"kind": "shards", "epoch": 0}, {"kind": "objects"}, None, [1]])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(StateMismatchError, match=r"objects|epoch"):
        Numbers(3).load_state_dict(state)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"version": None}, {"start": "x"}, {"taken": None}, {"start": True}]
)
def test_a_state_that_is_not_understood_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StateMismatchError, match=r"version|whole numbers"):
        Numbers(3).load_state_dict({**Numbers(3).state_dict(), **change})


@pytest.mark.parametrize(
    "order",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"even": "on"},
        {"rank": 1},
        {"world_size": 2},
        {"rank": 2, "world_size": 2},
    ],
)
def test_arguments_that_cannot_be(order: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        Numbers(3, **order)


@pytest.mark.parametrize("order", [{"batch_size": 1.5}, {"seed": "a"}])
def test_arguments_of_another_type(order: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError):
        Numbers(3, **order)


def test_numbers_of_numpy_are_numbers() -> None:
    numbers = Numbers(9, batch_size=np.int64(2), seed=np.int32(7))
    numbers.set_epoch(np.int64(4))
    assert json.loads(json.dumps(numbers.state_dict())) == numbers.state_dict()
    for epoch in (-1, 1 << 63):
        with pytest.raises(InvalidArgumentError):
            numbers.set_epoch(epoch)


def test_batches_of_two_sizes_are_refused() -> None:
    numbers = Numbers(9)
    numbers.use_batches(4)
    numbers.use_batches(4, drop_last=True)
    assert (numbers.batch_size, len(numbers)) == (4, 8)
    with pytest.raises(InvalidArgumentError, match="4"):
        numbers.use_batches(3)
