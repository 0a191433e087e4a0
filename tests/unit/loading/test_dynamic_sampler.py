"""Batches by cost: shared among ranks, resumed on other numbers of them, exact in their number."""

from __future__ import annotations

import copy
import json
import math
import pickle
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, DistributedSampler

from aistorch import DynamicBatchSampler
from aistorch.errors import (
    AIStorchWarning,
    ArgumentTypeError,
    InvalidArgumentError,
    OversizedSampleWarning,
    StateMismatchError,
)

DURATIONS = np.random.default_rng(7).lognormal(1.8, 0.7, 400).clip(0.5, 30)
NUMBERS = range(len(DURATIONS))

Batches = list[list[int]]


def speech(**options: Any) -> DynamicBatchSampler:
    arguments = {"max_batch_size": 60, "shuffle": True, "buckets": 5, "cost": DURATIONS, **options}
    return DynamicBatchSampler(NUMBERS, **arguments)


def ranks_of(world_size: int, **options: Any) -> list[DynamicBatchSampler]:
    return [speech(rank=rank, world_size=world_size, **options) for rank in range(world_size)]


def flat(batches: Sequence[Sequence[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def in_turn(parts: Sequence[Batches]) -> Batches:
    """The batches of all ranks as they are dealt."""
    longest = max(map(len, parts))
    return [part[number] for number in range(longest) for part in parts if number < len(part)]


def take(iterator: Iterator[list[int]], count: int) -> Batches:
    return [next(iterator) for _ in range(count)]


# Ranks


@pytest.mark.parametrize("even", ["pad", "drop", "off"])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_ranks_share_the_batches_of_one_plan(even: Any, world_size: int) -> None:
    alone = list(speech())
    samplers = ranks_of(world_size, even=even)
    parts = [list(sampler) for sampler in samplers]
    assert [len(part) for part in parts] == [len(sampler) for sampler in samplers]
    dealt, rest = in_turn(parts), len(alone) % world_size
    if even == "off":
        assert dealt == alone
    elif even == "drop":
        assert dealt == alone[: len(alone) - rest]
    else:
        assert dealt == alone + alone[: (world_size - rest) % world_size]
    assert even == "off" or len({len(part) for part in parts}) == 1


def test_the_rank_is_asked_for_when_iteration_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, expected = speech(), [list(each) for each in ranks_of(2)]
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert len(sampler) == len(expected[1])
    assert list(sampler) == expected[1]


def test_one_rank_of_one_gets_all_batches_in_any_job(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(speech())
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert list(speech(rank=0, world_size=1)) == alone


# Epochs


def test_each_iteration_is_the_next_epoch_and_all_have_as_many_batches() -> None:
    sampler = speech()
    epochs = [list(sampler) for _ in range(4)]
    assert all(sorted(flat(batches)) == list(NUMBERS) for batches in epochs)
    assert len({str(batches) for batches in epochs}) == 4
    assert {len(batches) for batches in epochs} == {len(sampler)}


def test_an_iteration_that_is_left_is_followed_by_the_next_epoch() -> None:
    epochs = [list(speech_at(epoch)) for epoch in range(2)]
    sampler = speech()
    assert take(iter(sampler), 3) == epochs[0][:3]
    assert list(sampler) == epochs[1]


def speech_at(epoch: int, **options: Any) -> DynamicBatchSampler:
    sampler = speech(**options)
    sampler.set_epoch(epoch)
    return sampler


def test_an_epoch_that_is_set_comes_next_and_then_the_one_after_it() -> None:
    counted = speech()
    epochs = [list(counted) for _ in range(6)]
    sampler = speech()
    for epoch in (4, 0, 4):
        sampler.set_epoch(epoch)
        assert (sampler.epoch, list(sampler), list(sampler)) == (epoch, epochs[epoch], epochs[epoch + 1])


def test_an_epoch_set_while_it_runs_is_repeated() -> None:
    sampler = speech()
    iterator = iter(sampler)
    first = take(iterator, 2)
    sampler.set_epoch(0)
    assert sampler.state_dict()["start"] == 2
    rest = list(iterator)
    assert list(sampler) == first + rest


def test_asking_for_an_iterator_uses_nothing_up() -> None:
    """A DataLoader does so twice."""
    sampler = speech()
    iter(sampler)
    assert list(sampler) == list(speech())


def test_training_loops_set_the_epoch_through_the_sampler_of_the_batch_sampler() -> None:
    sampler = speech()
    loader: DataLoader[Any] = DataLoader(DURATIONS, batch_sampler=sampler)  # type: ignore[arg-type]
    loader.batch_sampler.sampler.set_epoch(3)  # type: ignore[union-attr]
    assert list(sampler) == list(speech_at(3))


@pytest.mark.parametrize(
    ("epoch", "error"), [(-1, InvalidArgumentError), ("1", ArgumentTypeError), (1.0, ArgumentTypeError)]
)
def test_an_epoch_is_a_whole_number(epoch: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="epoch"):
        speech().set_epoch(epoch)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_is_as_long_as_what_it_gives(workers: int) -> None:
    sampler = speech(rank=1, world_size=3)
    loader: DataLoader[Any] = DataLoader(DURATIONS, batch_sampler=sampler, num_workers=workers, collate_fn=len)  # type: ignore[arg-type]
    for _ in range(2):
        assert len(list(loader)) == len(loader) == len(sampler)


# Limits


@given(
    st.lists(st.floats(0, 30, width=32), max_size=40),
    st.sampled_from([(20, None), (None, 40), (25.5, 31)]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["pad", "drop", "off"]),
    st.integers(0, 5),
    st.integers(1, 5),
    st.integers(1, 5),
    st.data(),
)
@settings(max_examples=250, deadline=None)
def test_each_remaining_batch_comes_once_on_any_number_of_ranks(
    costs: list[float],
    limits: tuple[float | None, float | None],
    buckets: int,
    shuffle: bool,
    even: Any,
    seed: int,
    before: int,
    after: int,
    data: Any,
) -> None:
    def samplers(world_size: int) -> list[DynamicBatchSampler]:
        options: dict[str, Any] = {
            "allow_oversized_samples": True,
            "shuffle": shuffle,
            "seed": seed,
            "cost": costs,
            "max_padded_cost": limits[1],
            "buckets": buckets,
            "even": even,
            "world_size": world_size,
        }
        return [DynamicBatchSampler(costs, limits[0], rank=rank, **options) for rank in range(world_size)]

    (alone,) = samplers(1)
    whole = list(alone)
    assert sorted(flat(whole)) == list(range(len(costs)))
    for batch in whole:
        found = [costs[index] for index in batch]
        assert len(batch) == 1 or math.fsum(found) <= (limits[0] or math.inf) * (1 + 1e-12)
        assert len(batch) == 1 or max(found) * len(batch) <= (limits[1] or math.inf)
    first = samplers(before)
    iterators = [iter(sampler) for sampler in first]
    steps = data.draw(st.integers(0, min(map(len, first))), label="steps")
    parts = [take(iterator, steps) for iterator in iterators]
    states = [json.loads(json.dumps(sampler.state_dict())) for sampler in first]
    assert all(state == states[0] for state in states)
    assert steps == 0 or all(sampler.state_after(steps) == sampler.state_dict() for sampler in first)
    second = samplers(after)
    for sampler in second:
        sampler.load_state_dict(states[0])
    read = in_turn(parts)[: len(whole)]
    assert read == whole[: len(read)]
    if steps and steps == len(first[0]):
        # The epoch is over: at most its last batches were left out.
        assert len(whole) - len(read) < before if even == "drop" else len(read) == len(whole)
        read = []
        whole = list(alone)
    told = [(sampler.remaining, sampler.epoch) for sampler in second]
    rest = [list(sampler) for sampler in second]
    assert told == [(len(part), states[0]["epoch"]) for part in rest]
    left = whole[len(read) :]
    dealt = in_turn(rest)
    assert even == "off" or len({len(part) for part in rest}) == 1
    if even == "drop":
        assert dealt == left[: len(left) // after * after]
    else:
        assert dealt[: len(left)] == left
        assert dealt[len(left) :] == ([] if even == "off" else (whole * after)[: -len(left) % after])


# State


def test_a_state_is_small_and_fit_for_json() -> None:
    sampler = speech(max_padded_cost=1e300, seed=-(2**70))
    list(sampler)
    assert len(json.dumps(sampler.state_dict())) < 1000
    assert json.loads(json.dumps(sampler.state_dict())) == sampler.state_dict()


def test_the_state_of_a_finished_epoch_begins_the_next_one() -> None:
    sampler, epochs = speech(), [list(speech_at(epoch)) for epoch in range(3)]
    iterator = iter(sampler)
    take(iterator, len(sampler))
    for state in (sampler.state_dict(), (list(iterator), sampler.state_dict())[1]):
        resumed = speech()
        resumed.load_state_dict(state)
        assert [list(resumed), list(resumed)] == epochs[1:]


def test_after_a_resumed_iteration_comes_the_whole_next_epoch() -> None:
    sampler, resumed = speech_at(2), speech()
    take(iter(sampler), 5)
    resumed.load_state_dict(sampler.state_dict())
    assert (resumed.epoch, resumed.remaining, len(resumed)) == (2, len(sampler) - 5, len(sampler))
    assert resumed.state_dict() == sampler.state_dict()
    assert list(resumed) == list(speech_at(2))[5:]
    assert (resumed.epoch, resumed.remaining) == (3, len(sampler))
    assert list(resumed) == list(speech_at(3))


def test_what_remains_is_counted_while_an_iteration_goes_on() -> None:
    sampler = speech(rank=0, world_size=2)
    iterator = iter(sampler)
    for given_out in range(1, len(sampler) + 1):
        next(iterator)
        assert sampler.remaining == len(sampler) - given_out


def test_a_place_that_was_loaded_is_kept_in_its_epoch_and_given_up_loudly_for_another() -> None:
    sampler = speech_at(2)
    take(iter(sampler), 5)
    kept, lost = speech(), speech()
    for each in (kept, lost):
        each.load_state_dict(sampler.state_dict())
    kept.set_epoch(2)
    assert list(kept) == list(speech_at(2))[5:]
    with pytest.warns(AIStorchWarning, match=r"set_epoch\(0\) gives up the state .* of epoch 2"):
        lost.set_epoch(0)
    assert list(lost) == list(speech())


def test_what_a_training_loop_has_received_can_be_asked_for() -> None:
    sampler = speech(rank=1, world_size=2)
    state = sampler.state_dict()
    batches = list(sampler)
    assert sampler.state_after(0) == state
    for received in (3, len(batches)):
        resumed = speech(rank=1, world_size=2)
        resumed.load_state_dict(sampler.state_after(received))
        assert list(resumed) == (batches[received:] or list(speech_at(1, rank=1, world_size=2)))


def test_what_was_received_counts_from_where_an_iteration_began() -> None:
    """Of those that were left in mid-epoch, the latest one is none that a loader counts."""
    sampler, resumed = speech(rank=1, world_size=2), speech()
    take(iter(sampler), 3)
    begun = sampler.next_state()
    assert (begun["epoch"], begun["start"]) == (1, 0)
    assert sampler.state_dict()["start"] == 6
    resumed.load_state_dict(sampler.state_after(4, begun))
    assert list(resumed) == list(speech_at(1))[8:]


def test_the_indices_of_a_rank_are_counted_too() -> None:
    sampler = speech(rank=1, world_size=2)
    for _ in range(3):
        told = len(sampler.sampler)
        assert told == len(flat(list(sampler)))
    assert (sampler.sampler.rank, sampler.sampler.num_replicas, sampler.sampler.shuffle) == (1, 2, True)


def changed(name: str, value: Any) -> dict[str, Any]:
    return {**speech().state_dict(), name: value}


NO_NUMBERS: list[Any] = [-1, 1.0, "0", None, True, [0], {}]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "of 'NoneType'"),
        ([1], "of 'list'"),
        ({}, "of None"),
        (changed("kind", "objects"), "kind 'batches', and this one is of 'objects'"),
        (changed("kind", ["batches"]), "kind 'batches'"),
        (changed("version", 2), "version 2"),
        (changed("version", True), "version True"),
        (changed("version", "1"), "version '1'"),
        *[(changed(name, value), f"{name} is") for name in ("epoch", "start") for value in NO_NUMBERS],
        (changed("start", 10_000), "10000 batches were read, and an epoch has"),
        (changed("seed", 1), "seed was 1 and is 0"),
        (changed("seed", False), "seed was False and is 0"),
        (changed("shuffle", 1), "shuffle was 1 and is True"),
        (changed("buckets", 6), "buckets was 6 and is 5"),
        (changed("samples", 399), "samples was 399 and is 400"),
        (changed("costs", "0"), "costs was '0'"),
        (changed("costs", np.zeros(3)), "costs was"),
        (changed("dataset", None), "dataset was None"),
        (changed("max_batch_size", 61), "max_batch_size was 61 and is 60"),
        (changed("max_padded_cost", 61), "max_padded_cost was 61 and is None"),
        (changed("saturation", 0.5), "saturation was 0.5 and is 0"),
        (changed("allow_oversized_samples", True), "allow_oversized_samples was True"),
    ],
)
def test_anything_else_is_no_state(state: Any, message: str) -> None:
    sampler = speech()
    with pytest.raises(StateMismatchError, match=message):
        sampler.load_state_dict(state)
    assert list(sampler) == list(speech())


@pytest.mark.parametrize("name", list(speech().state_dict()))
def test_no_field_may_be_missing(name: str) -> None:
    state = {key: value for key, value in speech().state_dict().items() if key != name}
    with pytest.raises(StateMismatchError):
        speech().load_state_dict(state)


def test_each_argument_that_changes_the_batches_is_in_the_state() -> None:
    state = speech().state_dict()
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"shuffle": False},
        {"buckets": None},
        {"max_batch_size": 61},
        {"max_padded_cost": 70},
        {"drop_last": True},
        {"allow_oversized_samples": True},
        {"cost": DURATIONS[::-1]},
        {"cost": DURATIONS.astype(np.float32)},
    ]
    for options in others:
        with pytest.raises(StateMismatchError, match=r"was .* and is"):
            speech(**options).load_state_dict(state)
    same: list[dict[str, Any]] = [
        {"even": "off"},
        {"rank": 2, "world_size": 3},
        {"max_batch_size": 60.0},
        {"cost": DURATIONS.tolist()},
    ]
    for options in same:
        speech(**options).load_state_dict(state)


def test_other_names_of_the_same_sizes_are_another_dataset() -> None:
    class Named(list[int]):
        def __init__(self, name: str) -> None:
            super().__init__(range(10))
            self.name = name

        def fingerprint(self) -> str:
            return self.name

    state = DynamicBatchSampler(Named("a"), 3, cost=[1] * 10).state_dict()
    with pytest.raises(StateMismatchError, match="dataset was"):
        DynamicBatchSampler(Named("b"), 3, cost=[1] * 10).load_state_dict(state)


@pytest.mark.parametrize("workers", [0, 2])
def test_torchdatas_loader_goes_on_with_its_state(workers: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def loader() -> Any:
        return stateful.StatefulDataLoader(NUMBERS, batch_sampler=speech(), num_workers=workers, collate_fn=list)

    epochs = [list(speech_at(epoch)) for epoch in range(2)]
    begun, resumed = loader(), loader()
    assert take(iter(begun), 4) == epochs[0][:4]
    resumed.load_state_dict(begun.state_dict())
    assert list(resumed) == epochs[0][4:]
    assert list(resumed) == epochs[1]


def test_a_sampler_is_pickled_without_a_plan() -> None:
    sampler = DynamicBatchSampler(range(50_000), 60, shuffle=True, buckets=50, cost=np.ones(50_000))
    empty = len(pickle.dumps(sampler))
    iterator = iter(sampler)
    take(iterator, 3)
    copied = pickle.loads(pickle.dumps(sampler))
    assert len(pickle.dumps(sampler)) < empty + 2000 < 50_000 * 8 + 4000
    assert copied.state_dict() == sampler.state_dict()
    assert copied.remaining == len(sampler)
    assert list(copied) == list(sampler)
    assert list(copy.deepcopy(sampler)) == list(sampler)


# Costs


@pytest.mark.parametrize(
    "cost",
    [
        [1, 2, 3, 4],
        (1.0, 2.0, 3.0, 4.0),
        range(1, 5),
        np.array([1, 2, 3, 4], dtype=np.uint8),
        np.array([1, 2, 3, 4], dtype=np.uint64),
        np.array([1, 2, 3, 4], dtype=np.float16),
        np.array([1, 2, 3, 4], dtype=">i4"),
        np.ma.array([1, 2, 3, 4]),
        torch.tensor([1, 2, 3, 4]),
        [Decimal(1), Decimal(2), Decimal(3), Decimal(4)],
        np.array([1, 2.0, 3, 4], dtype=object),
    ],
)
def test_anything_that_numpy_makes_numbers_of_is_a_cost(cost: Any) -> None:
    assert list(DynamicBatchSampler("abcd", 5, cost=cost)) == [[0, 1], [2], [3]]


def test_a_column_of_a_table_is_a_cost() -> None:
    """pandas and Arrow give numpy an array this way."""

    class Column:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            return np.array([1, 2, 3, 4])

    assert list(DynamicBatchSampler("abcd", 5, cost=Column())) == [[0, 1], [2], [3]]


@pytest.mark.parametrize(
    ("cost", "error", "message"),
    [
        ([1, 2, 3], InvalidArgumentError, "cost must have a number for each of 4 samples, and has 3"),
        ([], InvalidArgumentError, "each of 4 samples, and has 0"),
        ([[1], [2], [3], [4]], InvalidArgumentError, r"an array of shape \(4, 1\)"),
        (3, InvalidArgumentError, r"an array of shape \(\)"),
        ([1, -2, 3, -4], InvalidArgumentError, "cost is -2 for sample 1"),
        ([1, 2, math.nan, 4], InvalidArgumentError, "no number for sample 2, but nan"),
        ([1, 2, 3, math.inf], InvalidArgumentError, "no number for sample 3, but inf"),
        (
            np.ma.array([1, 2, 3, 4], mask=[False, True, False, False]),
            InvalidArgumentError,
            "no number for sample 1: it is masked",
        ),
        ([1, None, 3, 4], ArgumentTypeError, "not NoneType such as None"),
        (["1", "2", "3", "4"], ArgumentTypeError, "not str such as '1'"),
        ("duration", ArgumentTypeError, "not str"),
        ([True, False, True, True], ArgumentTypeError, "not bool"),
        ([1j, 2, 3, 4], ArgumentTypeError, "not complex"),
        (np.array([1, 2, 3, 4], dtype="m8[s]"), ArgumentTypeError, "cost must be numbers"),
        ([[1, 2], [3], [4], [5]], ArgumentTypeError, "cost must be an array of numbers"),
        (iter([1, 2, 3, 4]), ArgumentTypeError, "not list_iterator"),
        ({"a": 1}, ArgumentTypeError, "not dict"),
    ],
)
def test_what_is_no_cost_is_refused(cost: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DynamicBatchSampler("abcd", 5, cost=cost)


def test_a_cost_that_is_changed_afterwards_changes_nothing() -> None:
    cost = np.array([1, 2, 3, 4])
    sampler = DynamicBatchSampler("abcd", 5, cost=cost)
    cost[:] = 100
    assert list(sampler) == [[0, 1], [2], [3]]


def test_sizes_that_a_dataset_tells_are_its_costs() -> None:
    assert list(DynamicBatchSampler(SimpleNamespace(sizes=np.array([1, 2, 3, 4])), 5)) == [[0, 1], [2], [3]]
    with pytest.raises(InvalidArgumentError, match="sizes of SimpleNamespace is -1 for sample 1"):
        DynamicBatchSampler(SimpleNamespace(sizes=np.array([1, -1])), 5)


def test_samples_that_cost_too_much_are_named_and_counted() -> None:
    with pytest.warns(
        OversizedSampleWarning, match=r"2 of 4 samples cost more than max_padded_cost \(2.5\).*number 2, number 3"
    ):
        sampler = DynamicBatchSampler("abcd", 5, cost=[1, 2, 3, 4.0], max_padded_cost=2.5)
    assert list(sampler) == [[0], [1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = DynamicBatchSampler("abcd", 5, False, True, cost=[1, 2, 3, 4.0], max_padded_cost=2.5)
    assert sorted(sampler) == [[0], [1], [2], [3]]


def test_the_last_batch_stays_if_it_reaches_part_of_either_limit() -> None:
    def batches(saturation: float) -> Batches:
        return list(DynamicBatchSampler("abcd", 100, True, False, saturation, cost=[4, 4, 4, 1], max_padded_cost=8))

    assert batches(0.75) == batches(1) == [[0, 1], [2, 3]]
    sampler = DynamicBatchSampler("abc", 100, True, False, 0.75, cost=[4, 4, 5], max_padded_cost=8)
    assert list(sampler) == [[0, 1]]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_batch_size": None}, ArgumentTypeError, "give max_batch_size or max_padded_cost"),
        ({"max_batch_size": True}, ArgumentTypeError, "max_batch_size must be a number, not bool"),
        ({"max_batch_size": 10**400}, InvalidArgumentError, "max_batch_size is 1000"),
        ({"max_padded_cost": 0}, InvalidArgumentError, "max_padded_cost is 0; use a positive number"),
        ({"max_padded_cost": "1"}, ArgumentTypeError, "max_padded_cost must be a number, not str"),
        ({"buckets": 0}, InvalidArgumentError, "buckets is 0; use 1 or more"),
        ({"buckets": 1 << 20}, InvalidArgumentError, "buckets is 1048576; use 65536 or less"),
        ({"buckets": 2.0}, ArgumentTypeError, "buckets must be a whole number, not float"),
        ({"seed": "x"}, ArgumentTypeError, "seed must be a whole number"),
        ({"even": "both"}, InvalidArgumentError, "even is 'both'; use 'pad', 'drop' or 'off'"),
        ({"rank": 2, "world_size": 2}, InvalidArgumentError, "rank is 2"),
        ({"rank": 2}, InvalidArgumentError, "rank is set and world_size is not"),
        ({"data_source": DistributedSampler(range(4), 2, 0)}, ArgumentTypeError, "not a sampler .DistributedSampler."),  # type: ignore[arg-type]
        ({"data_source": iter("abcd")}, ArgumentTypeError, "a dataset with a length, not str_"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DynamicBatchSampler(**{"data_source": "abcd", "max_batch_size": 10, "cost": [1, 2, 3, 4], **arguments})


def test_fewer_batches_than_ranks_are_repeated_or_left_out_as_even_says() -> None:
    def parts(even: Any) -> list[Batches]:
        return [
            list(DynamicBatchSampler("abc", 2, cost=[2, 1, 1], even=even, rank=rank, world_size=4)) for rank in range(4)
        ]

    assert parts("pad") == [[[0]], [[1, 2]], [[0]], [[1, 2]]]
    assert parts("drop") == [[], [], [], []]
    assert parts("off") == [[[0]], [[1, 2]], [], []]


def test_all_samples_once_in_each_epoch_over_the_ranks() -> None:
    samplers = ranks_of(3, even="off")
    for _ in range(3):
        assert Counter(flat(flat([list(sampler) for sampler in samplers]))) == Counter(NUMBERS)  # type: ignore[arg-type]
