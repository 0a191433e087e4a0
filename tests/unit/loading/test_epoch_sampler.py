"""What other frameworks find at a loader: a sampler that shares among ranks, and takes an epoch."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from torch.utils.data import DistributedSampler, IterableDataset, RandomSampler, SequentialSampler

from aistorch import AISBatchSampler, AISDataLoader, AISIterDataset
from aistorch.errors import ArgumentTypeError
from aistorch.loading.epoch_sampler import EpochSampler

URL: dict[str, Any] = {"client_url": "http://localhost:1", "urls_list": "ais://nowhere/"}


class Numbers:
    """A map-style dataset of someone else, which takes an epoch."""

    epoch = 0

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        return index

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class Foreign(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


def loader(**options: Any) -> AISDataLoader[Any]:
    return AISDataLoader(Numbers(), 3, shuffle=True, **options)  # type: ignore[arg-type]


def iterable_loader(batch_size: int | None = 3, **options: Any) -> AISDataLoader[Any]:
    return AISDataLoader(AISIterDataset(**URL, **options), batch_size)


def shared(loader: AISDataLoader[Any]) -> bool:
    """Whether it is left as it is by frameworks that share samples among ranks."""
    marked = hasattr(loader, "_is_accelerate_prepared")
    assert marked == isinstance(loader.sampler, DistributedSampler)
    return marked


def test_epoch_arrives_at_batch_sampler_and_dataset() -> None:
    made: Any = loader()
    for number, sampler in enumerate((made.sampler, made.batch_sampler.sampler), start=3):
        sampler.set_epoch(number)
        assert (made.batch_sampler.epoch, made.dataset.epoch, sampler.epoch) == (number, number, number)


@pytest.mark.parametrize("batch_size", [3, None])
def test_epoch_arrives_at_an_iterable_dataset(batch_size: int | None) -> None:
    made: Any = iterable_loader(batch_size)
    made.sampler.set_epoch(4)
    assert made.dataset.epoch == 4
    if batch_size:
        made.batch_sampler.sampler.set_epoch(5)
        assert made.dataset.epoch == 5


def test_sampler_goes_through_what_the_rank_reads() -> None:
    batches = AISBatchSampler(Numbers(), 3, True, rank=1, world_size=2)
    sampler = batches.sampler
    assert len(sampler) == 5
    assert (sampler.rank, sampler.num_replicas, sampler.shuffle, sampler.seed) == (1, 2, True, 0)
    again = AISBatchSampler(Numbers(), 3, True, rank=1, world_size=2)
    assert list(sampler) == [index for batch in again for index in batch]


def test_sampler_of_an_iterable_dataset_has_no_length_and_no_end() -> None:
    sampler: Any = iterable_loader().sampler
    assert sampler
    assert [next(iter(sampler)) for _ in range(3)] == [None] * 3
    with pytest.raises(TypeError):
        len(sampler)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (loader(), True),
        (loader(batch_sampler=None), True),
        (iterable_loader(), True),
        (iterable_loader(split="ranks"), True),
        (iterable_loader(split="workers"), False),
        (iterable_loader(split="none"), False),
        (iterable_loader(rank=0, world_size=1), False),
        (AISDataLoader(Foreign(), 3), False),
        (AISDataLoader(range(9), 3, sampler=SequentialSampler(range(9))), False),  # type: ignore[arg-type]
        (AISDataLoader(range(9), batch_sampler=AISBatchSampler(range(9), 2)), True),  # type: ignore[arg-type]
        (AISDataLoader(range(9), batch_size=None), False),  # type: ignore[arg-type]
    ],
)
def test_only_a_loader_that_shares_among_ranks_says_so(made: AISDataLoader[Any], expected: bool) -> None:
    assert shared(made) == expected


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_has_a_sampler_of_its_own(copied: Any) -> None:
    for made in (loader(), iterable_loader()):
        other: Any = copied(made)
        other.sampler.set_epoch(7)
        part = "dataset" if isinstance(made.dataset, IterableDataset) else "batch_sampler"
        assert (getattr(other, part).epoch, getattr(made, part).epoch) == (7, 0)


def test_a_loader_is_gone_when_nobody_has_it() -> None:
    """Its workers end with it: a cycle would keep them until the collector comes."""
    made = loader()
    assert list(made)
    gone = weakref.ref(made)
    del made
    assert gone() is None


def test_a_sampler_of_someone_else_is_no_dataset() -> None:
    for sampler in (RandomSampler(range(9)), DistributedSampler(range(9), 2, 0)):  # type: ignore[arg-type,var-annotated]
        with pytest.raises(ArgumentTypeError, match="must be the dataset, not a"):
            AISBatchSampler(sampler, 3)


def test_a_batch_sampler_made_anew_around_ours_reads_every_sample_once() -> None:
    """Lightning does so to predict."""
    parts = []
    for rank in range(2):
        ours = AISBatchSampler(Numbers(), 4, True, seed=5, even="drop", drop_last=True, rank=rank, world_size=2)
        anew = AISBatchSampler(ours.sampler, batch_size=4, drop_last=False)
        assert (anew.shuffle, anew.seed) == (True, 5)
        parts += [index for batch in anew for index in batch]
    assert sorted(parts) == list(range(10))


def test_a_batch_sampler_made_anew_in_order_reads_its_dataset_in_order() -> None:
    """Lightning does so to overfit some batches."""
    anew = AISBatchSampler(SequentialSampler(range(5)), 2, drop_last=False)
    assert list(anew) == [[0, 1], [2, 3], [4]]


def test_the_sampler_is_told_from_others() -> None:
    with pytest.raises(AttributeError, match="no attribute 'total_size'"):
        EpochSampler(AISBatchSampler(range(3), 2)).total_size  # noqa: B018
