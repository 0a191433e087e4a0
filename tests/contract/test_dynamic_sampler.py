"""Batches by bytes: the plugin's, less its defects, from the listing alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aistore.pytorch.dynamic_sampler import DynamicBatchSampler as PluginSampler
from aistore.sdk import Bucket, Client
from aistore.sdk.obj.object import Object
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from aistorch import AISMapDataset, DynamicBatchSampler
from aistorch.errors import ArgumentTypeError, InvalidArgumentError, OversizedSampleWarning
from tests.support.objects import content, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SIZES = [0, 10, 400, 400, 200, 3000, 0, 999, 1000, 1, 1001, 500, 250, 250, 7]
CONTENTS = {f"o{number:02}": content(f"o{number}", size) for number, size in enumerate(SIZES)}


@dataclass(frozen=True)
class Listed:
    """A dataset of which nothing but the list of objects is known."""

    sizes: Sequence[int]

    def get_obj_list(self) -> Any:
        return [
            SimpleNamespace(name=f"o{number}", props_cached=SimpleNamespace(size=size))
            for number, size in enumerate(self.sizes)
        ]


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


@pytest.fixture
def dataset(stored: Bucket) -> AISMapDataset:
    return AISMapDataset(stored)


def flat(batches: Sequence[Sequence[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def test_a_data_loader_gets_batches_that_fit(dataset: AISMapDataset) -> None:
    sampler = DynamicBatchSampler(dataset, 1000, allow_oversized_samples=True)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=2, collate_fn=list)
    batches = list(loader)
    assert len(batches) == len(loader) == len(sampler)
    assert sorted(sample for batch in batches for sample in batch) == sorted(CONTENTS.items())
    for batch in batches:
        assert sum(len(body) for _, body in batch) <= 1000 or len(batch) == 1


def test_nothing_is_read(dataset: AISMapDataset, stored: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: Any, **__: Any) -> None:
        raise AssertionError("a request")

    monkeypatch.setattr("requests.Session.send", unexpected)
    monkeypatch.setattr(AISMapDataset, "_read", unexpected)
    assert flat(list(DynamicBatchSampler(dataset, 10_000))) == list(range(len(SIZES)))


def test_objects_of_no_bytes_are_samples_like_others(dataset: AISMapDataset) -> None:
    with pytest.warns(OversizedSampleWarning):
        batches = list(DynamicBatchSampler(dataset, 1))
    assert batches == [[0, 6, 9]]


def test_objects_too_large_are_named_and_counted(dataset: AISMapDataset) -> None:
    with pytest.warns(OversizedSampleWarning, match=r"2 of 15 objects .*\(1,000 bytes\).*: o05, o10\. allow_oversized"):
        sampler = DynamicBatchSampler(dataset, 1000)
    assert sorted(flat(list(sampler))) == [index for index in range(15) if SIZES[index] <= 1000]
    with pytest.warns(OversizedSampleWarning, match=r"o02, o03, o04, \.\.\."):
        DynamicBatchSampler(dataset, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DynamicBatchSampler(dataset, 1000, allow_oversized_samples=True)
        DynamicBatchSampler(dataset, 3000)


def test_objects_that_a_subclass_chooses_are_the_ones_sampled(stored: Bucket) -> None:
    class Chosen(AISMapDataset):
        def __init__(self, source: Bucket) -> None:
            super().__init__(source)
            self._obj_list = [obj for obj in self._obj_list if obj.name >= "o07"]

    class Sliced(AISMapDataset):
        def get_obj_list(self) -> Sequence[Object]:
            return super().get_obj_list()[7:]

    for kind in (Chosen, Sliced):
        assert list(DynamicBatchSampler(kind(stored), 2000)) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_sizes_that_no_listing_told_are_asked_for(stored: Bucket, ais: Server) -> None:
    other = Client(ais.endpoint).bucket(stored.name)
    dataset = AISMapDataset(other.objects(obj_names=["o03", "o00", "o07"]))
    assert list(DynamicBatchSampler(dataset, 1000)) == [[0, 1], [2]]


@given(
    st.lists(st.integers(1, 12), max_size=40),
    st.integers(1, 14),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0.15, 0.55, 0.81, 0.99]),
)
@settings(max_examples=100)
@pytest.mark.filterwarnings("ignore::aistorch.errors.OversizedSampleWarning")
def test_batches_are_the_plugins(
    sizes: list[int], limit: int, drop_last: bool, allow_oversized: bool, saturation: float
) -> None:
    """Where it has no defect: no object of 0 bytes, and no last batch that is exactly saturated."""
    arguments = (limit, drop_last, allow_oversized, saturation)
    expected = list(PluginSampler(Listed(sizes), *arguments))  # type: ignore[arg-type]
    ours = DynamicBatchSampler(Listed(sizes), *arguments)
    assert list(ours) == expected
    assert len(ours) == len(expected)


@pytest.mark.parametrize(("saturation", "kept"), [(0.5, True), (0.49, True), (0.51, False), (0, True), (1, False)])
def test_the_last_batch_stays_if_it_is_full_enough(saturation: float, kept: bool) -> None:
    sampler = DynamicBatchSampler(Listed([6, 4, 5]), 10, drop_last=True, saturation_factor=saturation)
    assert list(sampler) == [[0, 1], [2]][: 1 + kept]
    assert len(sampler) == 1 + kept


def shuffled(sampler: DynamicBatchSampler, epoch: int) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_each_epoch_has_an_order_of_its_own_that_seed_and_number_set() -> None:
    dataset = Listed([number % 7 for number in range(200)])
    sampler, same = (DynamicBatchSampler(dataset, 20, shuffle=True, seed=3) for _ in range(2))
    epochs = [list(sampler) for _ in range(4)]
    assert all(sorted(flat(batches)) == list(range(200)) for batches in epochs)
    assert len({tuple(flat(batches)) for batches in epochs}) == 4
    assert [shuffled(same, epoch) for epoch in (3, 1, 0, 2)] == [epochs[epoch] for epoch in (3, 1, 0, 2)]
    assert list(DynamicBatchSampler(dataset, 20, shuffle=True, seed=4)) != epochs[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_batch_size": 0}, InvalidArgumentError, "max_batch_size is 0"),
        ({"max_batch_size": -1.5}, InvalidArgumentError, "max_batch_size is -1.5"),
        ({"max_batch_size": math.nan}, InvalidArgumentError, "max_batch_size is nan"),
        ({"max_batch_size": math.inf}, InvalidArgumentError, "max_batch_size is inf"),
        ({"max_batch_size": "1MB"}, ArgumentTypeError, "max_batch_size must be a number, not str"),
        ({"saturation_factor": 1.1}, InvalidArgumentError, "saturation_factor is 1.1"),
        ({"saturation_factor": None}, ArgumentTypeError, "saturation_factor must be a number, not NoneType"),
        ({"data_source": [1, 2]}, ArgumentTypeError, "with get_obj_list.*not list.*cost="),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DynamicBatchSampler(**{"data_source": Listed([1]), "max_batch_size": 10, **arguments})


def test_a_limit_beyond_all_bounds_is_one_batch() -> None:
    assert list(DynamicBatchSampler(Listed([1, 2**40]), 1e300)) == [[0, 1]]
    assert list(DynamicBatchSampler(Listed([1, 2**40]), 10**30)) == [[0, 1]]
    assert list(DynamicBatchSampler(Listed([]), 10)) == []
    assert len(DynamicBatchSampler(Listed([0, 0]), 10)) == 1
