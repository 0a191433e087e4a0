"""Mixtures of datasets over AIStore: ranks, workers, epochs and state are those of the datasets in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket

from aistorch import AISDataLoader, AISIterDataset, AISMixedDataset
from aistorch.errors import StateMismatchError
from tests.support.objects import content, in_order, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

FEW = {f"few/{number:02}": content(f"few{number}", 50) for number in range(10)}
MANY = {f"many/{number:02}": content(f"many{number}", 900) for number in range(31)}
Loader = AISDataLoader[Any]


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), {**FEW, **MANY}) as bucket:
        yield bucket


# In batches of 8, one of two workers gets 8 of the few and the other 2: it comes to their end much earlier.
def mixture(stored: Bucket, seed: int = 0, stop: Any = "all", **order: Any) -> AISMixedDataset:
    few, many = (
        AISIterDataset(stored, {stored: prefix}, shuffle=True, seed=seed, batch_size=8, **order)
        for prefix in ("few/", "many/")
    )
    return AISMixedDataset([few, many], [1, 3], stop)


def loader(stored: Bucket, workers: int, epoch: int = 2, **options: Any) -> Loader:
    made: Loader = AISDataLoader(mixture(stored, **options), 4, num_workers=workers, collate_fn=list)
    made.set_epoch(epoch)
    return made


def test_batches_are_mixed_and_nothing_is_lost_over_ranks_and_workers(stored: Bucket) -> None:
    seen: list[Any] = []
    for rank in range(2):
        batches = list(loader(stored, 2 * rank, even="off", rank=rank, world_size=2))
        assert [name.partition("/")[0] for name, _ in batches[0]].count("few") == 1
        seen += [sample for batch in batches for sample in batch]
    assert sorted(seen) == in_order({**FEW, **MANY})


def test_each_dataset_is_shuffled_anew_in_each_epoch(stored: Bucket) -> None:
    dataset = mixture(stored)
    orders = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        orders.append([name for name, _ in dataset])
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == sorted({**FEW, **MANY}) for order in orders)
    assert len(dataset) == 41


@pytest.mark.parametrize(("workers", "stop"), [(0, "all"), (2, "never")])
def test_a_run_that_was_interrupted_anywhere_goes_on_as_if_it_had_not_been(
    stored: Bucket, workers: int, stop: str
) -> None:
    whole = list(islice(loader(stored, workers, stop=stop), 16))
    for taken in (1, len(whole) - 1):
        interrupted = loader(stored, workers, stop=stop)
        assert list(islice(interrupted, taken)) == whole[:taken]
        text = json.dumps(interrupted.state_dict())
        resumed = loader(stored, workers, epoch=0, stop=stop)
        resumed.load_state_dict(json.loads(text))
        assert list(islice(resumed, 16 - taken)) == whole[taken:]


def test_in_the_next_epoch_of_a_dataset_its_order_is_another_one(stored: Bucket) -> None:
    few = [name for name, _ in islice(mixture(stored, stop="never"), 80) if name.startswith("few/")]
    first, second = few[:10], few[10:]
    assert sorted(first) == sorted(second) == sorted(FEW)
    assert first != second


def test_a_state_of_other_datasets_is_refused(stored: Bucket) -> None:
    dataset = mixture(stored)
    next(iter(dataset))
    with pytest.raises(StateMismatchError, match=r"seed was \[0, 0\] and is \[1, 1\]"):
        mixture(stored, seed=1).load_state_dict(dataset.state_dict())
