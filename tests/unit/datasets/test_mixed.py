"""Mixtures: proportions, ends, lengths, epochs, and going on exactly where one stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, IterableDataset

from aistorch import AISDataLoader, AISMixedDataset
from aistorch.datasets.worker_mix import Stop
from aistorch.errors import ArgumentTypeError, InvalidArgumentError, StateMismatchError
from tests.support.numbers import Numbers, Sample

Parts = list[tuple[int, int]]  # weight and size of each dataset
PARTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 25)), min_size=1, max_size=4)
ENDING: list[Stop] = ["first", "all"]
STOPS: list[Stop] = [*ENDING, "never"]


def mixture(parts: Parts, stop: Stop = "first") -> AISMixedDataset:
    datasets = [Numbers(chr(ord("a") + number), size) for number, (_, size) in enumerate(parts)]
    return AISMixedDataset(datasets, [weight for weight, _ in parts], stop)


def some(dataset: AISMixedDataset, samples: int = 120) -> list[Sample]:
    return list(islice(dataset, samples))


def copy_of(state: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(state))
    return copy


def check_proportions(samples: Sequence[Sample], weights: dict[str, int]) -> None:
    counts, total = Counter[str](), sum(weights.values())
    for number, (name, _, _) in enumerate(samples, 1):
        counts[name] += 1
        assert all(abs(weight * number - counts[each] * total) < total for each, weight in weights.items())


@given(PARTS)
def test_it_ends_with_the_first_dataset_that_has_no_more(parts: Parts) -> None:
    samples = list(mixture(parts))
    names = [chr(ord("a") + number) for number in range(len(parts))]
    check_proportions(samples, {name: weight for name, (weight, _) in zip(names, parts, strict=True)})
    counts = Counter(name for name, _, _ in samples)
    assert any(counts[name] == size for name, (_, size) in zip(names, parts, strict=True))
    for name, (_, size) in zip(names, parts, strict=True):
        assert [sample for sample in samples if sample[0] == name] == list(islice(Numbers(name, size), counts[name]))


@given(PARTS)
def test_it_ends_when_all_have_no_more(parts: Parts) -> None:
    samples = list(mixture(parts, "all"))
    for number, (_, size) in enumerate(parts):
        name = chr(ord("a") + number)
        assert [sample for sample in samples if sample[0] == name] == list(Numbers(name, size))
    # Until the first has no more, nothing tells it from a mixture that ends there.
    first = list(mixture(parts, "first"))
    assert samples[: len(first)] == first


def test_one_that_has_no_more_drops_out_and_the_others_go_on() -> None:
    samples = [name for name, _, _ in mixture([(1, 2), (2, 50), (1, 50)], "all")]
    last = max(position for position, name in enumerate(samples) if name == "a")
    # From its next turn on, two of the second come with one of the third.
    rest = samples[last + 4 : last + 4 + 45]
    assert abs(rest.count("b") - 30) <= 1


def test_it_never_ends_and_each_dataset_begins_its_next_epoch() -> None:
    dataset = mixture([(1, 3), (2, 50)], "never")
    dataset.set_epoch(4)
    samples = some(dataset, 90)
    check_proportions(samples, {"a": 1, "b": 2})
    first = [sample for sample in samples if sample[0] == "a"]
    for number in range(10):
        epoch = first[3 * number : 3 * number + 3]
        assert sorted(epoch) == [("a", 4 + number, each) for each in range(3)]
    assert {epoch for name, epoch, _ in samples if name == "b"} == {4, 5}


@given(PARTS, st.sampled_from(ENDING), st.data())
def test_the_length_is_what_comes(parts: Parts, stop: Stop, data: st.DataObject) -> None:
    dataset = mixture(parts, stop)
    whole = list(dataset)
    assert len(dataset) == len(whole)
    taken = data.draw(st.integers(0, len(whole)))
    iterator = iter(dataset)
    for _ in range(taken):
        next(iterator)
    again = mixture(parts, stop)
    again.load_state_dict(copy_of(dataset.state_dict()))
    assert len(again) == len(whole)


@given(PARTS.filter(lambda parts: all(size for _, size in parts)), st.sampled_from(STOPS), st.integers(0, 3))
@settings(max_examples=30)
def test_what_is_left_at_any_place_is_the_rest_of_the_whole(parts: Parts, stop: Stop, epoch: int) -> None:
    whole_run = mixture(parts, stop)
    whole_run.set_epoch(epoch)
    whole = some(whole_run)
    interrupted = mixture(parts, stop)
    interrupted.set_epoch(epoch)
    iterator = iter(interrupted)
    for taken in range(len(whole)):
        state = copy_of(interrupted.state_dict())
        resumed = mixture(parts, stop)
        resumed.load_state_dict(state)
        assert resumed.epoch == epoch
        assert copy_of(resumed.state_dict()) == state
        assert some(resumed, 120 - taken) == whole[taken:]
        if taken < len(whole):
            assert next(iterator) == whole[taken]


@given(PARTS.filter(lambda parts: all(size for _, size in parts)), st.sampled_from(STOPS), st.data())
def test_it_may_be_interrupted_as_often_as_one_likes(parts: Parts, stop: Stop, data: st.DataObject) -> None:
    whole = some(mixture(parts, stop))
    seen: list[Sample] = []
    state = None
    while len(seen) < len(whole):
        dataset = mixture(parts, stop)
        if state is not None:
            dataset.load_state_dict(state)
            dataset.set_epoch(0)  # as training loops do; it is the same epoch
        seen += some(dataset, min(data.draw(st.integers(1, 30)), 120 - len(seen)))
        state = copy_of(dataset.state_dict())
    assert seen == whole


@pytest.mark.parametrize("stop", STOPS)
def test_an_iteration_begins_at_the_start_whatever_came_before(stop: Stop) -> None:
    parts = [(1, 5), (3, 20)]
    dataset = mixture(parts, stop)
    whole = some(dataset)
    dataset.set_epoch(0)
    assert some(dataset, 7) == whole[:7]
    dataset.set_epoch(0)
    assert dataset.state_dict()["given"] == [2, 5]
    iterator = iter(dataset)
    assert dataset.state_dict()["given"] == [0, 0]
    assert [next(iterator)] == whole[:1]
    resumed = mixture(parts, stop)
    resumed.load_state_dict(dataset.state_dict())
    assert some(resumed, 119) == whole[1:]
    again = mixture(parts, stop)
    again.set_epoch(1)
    assert some(resumed, 2) == some(again, 2)


def test_a_place_in_another_epoch_is_left() -> None:
    parts = [(1, 5), (3, 20)]
    dataset, expected, resumed = (mixture(parts) for _ in range(3))
    some(dataset, 6)
    resumed.load_state_dict(dataset.state_dict())
    for each in (resumed, expected):
        each.set_epoch(1)
    assert list(resumed) == list(expected)
    assert {epoch for _, epoch, _ in resumed} == {2}


@pytest.mark.parametrize("stop", ENDING)
def test_a_state_of_the_end_begins_the_next_epoch(stop: Stop) -> None:
    dataset, resumed = mixture([(1, 5), (1, 7)], stop), mixture([(1, 5), (1, 7)], stop)
    whole = list(dataset)
    resumed.load_state_dict(copy_of(dataset.state_dict()))
    assert resumed.next_epoch == 1
    assert list(resumed) == list(dataset) != whole


def test_in_workers_each_mixes_its_own_part() -> None:
    parts = [(1, 20), (3, 60)]
    loader = DataLoader(mixture(parts, "all"), batch_size=8, num_workers=2, collate_fn=list)
    batches = list(loader)
    assert sorted(sample for batch in batches for sample in batch) == sorted(mixture(parts, "all"))
    assert {Counter(name for name, _, _ in batch)["a"] for batch in batches} == {2}


@pytest.mark.parametrize("stop", STOPS)
def test_a_loader_goes_on_where_the_training_loop_was(stop: Stop) -> None:
    def loader(workers: int) -> AISDataLoader[Any]:
        dataset = mixture([(1, 8), (3, 30)], stop)
        return AISDataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=list)

    for workers in (0, 2):
        whole = list(islice(loader(workers), 14))
        for taken in (3, 8):
            interrupted, resumed = loader(workers), loader(workers)
            assert list(islice(interrupted, taken)) == whole[:taken]
            state = copy_of(interrupted.state_dict())
            assert len(json.dumps(state)) < 1024
            resumed.load_state_dict(state)
            assert list(islice(resumed, 14 - taken)) == whole[taken:]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_of_torchdata_does_as_well(workers: int) -> None:
    torchdata = pytest.importorskip("torchdata.stateful_dataloader")

    def loader() -> Any:
        dataset = mixture([(1, 8), (3, 30)], "never")
        return torchdata.StatefulDataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=list)

    whole = list(islice(loader(), 14))
    interrupted, resumed = loader(), loader()
    assert list(islice(interrupted, 5)) == whole[:5]
    resumed.load_state_dict(interrupted.state_dict())
    assert list(islice(resumed, 9)) == whole[5:]


def test_persistent_workers_learn_of_the_epoch() -> None:
    loader = AISDataLoader(mixture([(1, 6), (1, 6)], "all"), None, num_workers=1, persistent_workers=True)
    for epoch in (0, 3):
        loader.set_epoch(epoch)
        assert {each for _, each, _ in loader} == {epoch}


def test_mixtures_can_be_mixed() -> None:
    def nested() -> AISMixedDataset:
        return AISMixedDataset([mixture([(1, 9), (2, 18)], "all"), Numbers("z", 27)], [1, 1], "all")

    whole = list(nested())
    assert len(whole) == len(nested()) == 54
    dataset, resumed = nested(), nested()
    some(dataset, 20)
    resumed.load_state_dict(copy_of(dataset.state_dict()))
    assert list(resumed) == whole[20:]


class Plain(IterableDataset[int]):
    """Without epochs, length and state."""

    def __iter__(self) -> Any:
        return iter(range(5))


def test_what_a_dataset_lacks_is_missed_only_where_it_is_needed() -> None:
    dataset = AISMixedDataset([Plain(), Plain()], stop="all")
    assert list(dataset) == [number for number in range(5) for _ in range(2)]
    with pytest.raises(TypeError, match="Plain"):
        len(dataset)
    next(iter(dataset))
    with pytest.raises(ArgumentTypeError, match=r"dataset 0 of the mixture \(Plain\) has no state_dict"):
        dataset.state_dict()
    with pytest.raises(TypeError, match="does not end"):
        len(AISMixedDataset([Plain()], stop="never"))


def test_without_an_end_a_dataset_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"dataset 1 of the mixture \(Numbers\) has no samples"):
        some(mixture([(1, 5), (1, 0)], "never"))
    assert len(list(mixture([(1, 5), (1, 0)], "all"))) == 5


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (mixture([(1, 5), (2, 5)]), r"weights was \[1, 1\] and is \[1, 2\]"),
        (mixture([(1, 5)]), r"weights was \[1, 1\] and is \[1\]"),
        (mixture([(1, 5), (1, 5)], "all"), "stop was 'first' and is 'all'"),
        (AISMixedDataset([mixture([(1, 5)]), Numbers("b", 5)]), "takes states of the kind 'mixed'"),
    ],
)
def test_a_state_of_another_mixture_is_refused(other: AISMixedDataset, message: str) -> None:
    dataset = mixture([(1, 5), (1, 5)])
    some(dataset, 3)
    with pytest.raises(StateMismatchError, match=message):
        other.load_state_dict(dataset.state_dict())


def test_a_state_that_lacks_something_is_refused() -> None:
    state = mixture([(1, 5)]).state_dict()
    del state["active"]
    with pytest.raises(StateMismatchError, match="lacks one of active"):
        mixture([(1, 5)]).load_state_dict(state)


SAME = Numbers("same", 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), InvalidArgumentError, "weights: at least one"),
        (([Numbers("a", 1), 5],), ArgumentTypeError, "dataset 1 is no iterable dataset, but of type int"),
        (([SAME, SAME],), InvalidArgumentError, "dataset 1 is in the mixture already"),
        (([SAME], [1, 2]), InvalidArgumentError, "2 weights for 1 datasets"),
        (([SAME], [0]), InvalidArgumentError, "weights: 0 is not a positive"),
        (([SAME], None, "last"), InvalidArgumentError, "stop is 'last'"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AISMixedDataset(*arguments)
