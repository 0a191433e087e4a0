"""Iterable datasets in order: shared by ranks and workers, shuffled, and gone on from where they stopped."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import AISSource, Bucket
from aistore.sdk.obj.object import Object
from torch.utils.data import DataLoader

from aistorch import AISIterDataset
from aistorch.config import ReadConfig
from aistorch.errors import InvalidArgumentError, StateMismatchError
from aistorch.index import bucket_listing, list_request
from aistorch.order.permutation import epoch_permutation
from tests.support.loading import load
from tests.support.objects import content, in_order, listings, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

COUNT, BATCH = 47, 4
CONTENTS = {f"o{number:03}": content(f"order{number}", 10 * number) for number in range(COUNT)}
EXPECTED = in_order(CONTENTS)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def embedded(second_server: Server) -> Iterator[Bucket]:
    """Where the server does not matter."""
    with new_bucket(second_server.client(), CONTENTS) as bucket:
        yield bucket


def turns(batches: list[list[Any]]) -> list[Any]:
    """What ranks read, round by round: the global order."""
    rounds = max(map(len, batches))
    return [sample for turn in range(rounds) for part in batches if turn < len(part) for sample in part[turn]]


def batches_of(dataset: AISIterDataset, workers: int) -> list[Any]:
    return list(DataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=list))


# who reads what


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (1, 3), (2, 2), (3, 0), (3, 2)])
def test_workers_and_ranks_do_not_change_the_order(filled: Bucket, ranks: int, workers: int, shuffle: bool) -> None:
    order: dict[str, Any] = {"shuffle": shuffle, "seed": 1, "batch_size": BATCH}
    alone = list(AISIterDataset(filled, **order))
    assert sorted(alone) == EXPECTED
    assert (alone == EXPECTED) is not shuffle
    datasets = [AISIterDataset(filled, **order, even="off", rank=rank, world_size=ranks) for rank in range(ranks)]
    read = [batches_of(dataset, workers) for dataset in datasets]
    assert turns(read) == alone
    assert [len(dataset) for dataset in datasets] == [sum(map(len, part)) for part in read]


def test_shuffling_is_the_permutation_of_seed_and_epoch(filled: Bucket) -> None:
    dataset = AISIterDataset(filled, shuffle=True, seed=8)
    for epoch in (0, 3):
        dataset.set_epoch(epoch)
        assert list(dataset) == [EXPECTED[value] for value in epoch_permutation(COUNT, 8, epoch)(range(COUNT)).tolist()]


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_ranks_have_as_many(embedded: Bucket, ranks: int) -> None:
    for even, total in (("pad", -(-COUNT // ranks) * ranks), ("drop", COUNT // ranks * ranks), ("off", COUNT)):
        read = [
            list(AISIterDataset(embedded, batch_size=BATCH, even=even, rank=rank, world_size=ranks))  # type: ignore[arg-type]
            for rank in range(ranks)
        ]
        samples = [sample for part in read for sample in part]
        assert len(samples) == total
        assert len(set(samples)) == min(total, COUNT)
        assert even == "off" or len({len(part) for part in read}) == 1


def test_the_environment_tells_rank_and_world_size(embedded: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, whole = AISIterDataset(embedded, batch_size=BATCH, even="off"), batches_of(AISIterDataset(embedded), 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        for workers in (0, 2):
            assert batches_of(dataset, workers) == whole[int(rank) :: 2]


def test_the_length_is_what_data_loaders_count(embedded: Bucket) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for workers in (0, 2):
            dataset = AISIterDataset(embedded, shuffle=True, batch_size=BATCH, rank=0, world_size=3)
            loader = DataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=list)
            assert len(loader) == len(list(loader))


def test_pages_of_more_objects_than_are_taken_at_once(embedded: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aistorch.datasets.iterable.PAGE_SIZE", 10)
    for batch_size in (3, 25):
        dataset = AISIterDataset(embedded, shuffle=True, batch_size=batch_size)
        assert list(dataset) == [EXPECTED[value] for value in epoch_permutation(COUNT, 0, 0)(range(COUNT)).tolist()]


def test_in_listing_order_the_first_sample_is_there_before_the_listing_is(
    embedded: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_request, "PAGE_SIZE", 10)
    monkeypatch.setattr(bucket_listing, "EARLY", 10)
    with listings() as seen:
        samples = iter(AISIterDataset(embedded, batch_size=BATCH, config=ReadConfig(in_flight=1)))
        assert next(samples) == EXPECTED[0]
        asked_for = len(seen)
        assert list(samples) == EXPECTED[1:]
        assert asked_for < len(seen)


def test_persistent_workers_learn_of_the_epoch(embedded: Bucket) -> None:
    dataset = AISIterDataset(embedded, shuffle=True, batch_size=BATCH)
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=2, persistent_workers=True, collate_fn=list)
    for epoch in (0, 2, 2, 1):
        dataset.set_epoch(epoch)
        alone = AISIterDataset(embedded, shuffle=True)
        alone.set_epoch(epoch)
        assert [sample for batch in loader for sample in batch] == list(alone)


# going on


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_dataset_goes_on_at_any_sample(filled: Bucket, shuffle: bool) -> None:
    whole = list(AISIterDataset(filled, shuffle=shuffle))
    for taken in (0, 1, 4, 29, COUNT - 1):
        dataset = AISIterDataset(filled, shuffle=shuffle)
        first = list(islice(dataset, taken))
        state = json.loads(json.dumps(dataset.state_dict()))
        resumed = AISIterDataset(filled, shuffle=shuffle)
        resumed.load_state_dict(state)
        assert len(resumed) == COUNT
        assert first + list(pickle.loads(pickle.dumps(resumed))) == whole
        assert first + list(resumed) == whole
        following = AISIterDataset(filled, shuffle=shuffle)
        following.set_epoch(1)
        assert list(resumed) == list(following)


def test_a_loader_without_workers_may_save_its_dataset(embedded: Bucket) -> None:
    def fresh() -> tuple[AISIterDataset, DataLoader[Any]]:
        dataset = AISIterDataset(embedded, shuffle=True, batch_size=BATCH)
        return dataset, DataLoader(dataset, batch_size=BATCH, collate_fn=list)

    _, loader = fresh()
    whole = list(loader)
    dataset, loader = fresh()
    first = list(islice(loader, 5))
    state = dataset.state_dict()
    assert (state["start"], state["taken"]) == (5 * BATCH, 0)
    dataset, loader = fresh()
    dataset.load_state_dict(state)
    assert first + list(loader) == whole


def test_what_is_saved_while_objects_are_listed_fits_the_whole(
    embedded: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_request, "PAGE_SIZE", 10)
    monkeypatch.setattr(bucket_listing, "EARLY", 10)
    dataset = AISIterDataset(embedded)
    samples = iter(dataset)
    first = list(islice(samples, 3))
    state = dataset.state_dict()
    assert first + list(samples) == EXPECTED
    resumed = AISIterDataset(embedded)
    resumed.load_state_dict(state)
    assert first + list(resumed) == EXPECTED


def test_a_bucket_that_has_changed_is_another(bucket: Bucket) -> None:
    for name in "abc":
        bucket.object(name).get_writer().put_content(name.encode())
    dataset = AISIterDataset(bucket)
    assert next(iter(dataset)) == ("a", b"a")
    state = dataset.state_dict()
    bucket.object("d").get_writer().put_content(b"d")
    grown = AISIterDataset(bucket)
    with pytest.raises(StateMismatchError, match=r"count was 3 and is 4.*fingerprint.*strict=False"):
        grown.load_state_dict(state)
    grown.load_state_dict(state, strict=False)
    assert [name for name, _ in grown] == ["b", "c", "d"]


# what has no order


class Chosen(AISIterDataset):
    """Chooses objects by a hook."""

    def _create_objects_iter(self, sources: list[AISSource] | None = None) -> Iterator[Object]:
        return (obj for obj in super()._create_objects_iter(sources) if obj.name[-1] in "0123")


def test_chosen_objects_are_shared_by_ranks_and_workers(embedded: Bucket) -> None:
    expected = [sample for sample in EXPECTED if sample[0][-1] in "0123"]
    for workers in (0, 2):
        datasets = [Chosen(embedded, rank=rank, world_size=3) for rank in range(3)]
        read = [load(dataset, workers, "fork") for dataset in datasets]
        assert sorted(sample for part in read for sample in part) == expected
    assert [len(dataset) for dataset in datasets] == [len(part) for part in read]


def test_what_has_no_order_says_so(embedded: Bucket) -> None:
    with pytest.raises(InvalidArgumentError, match="hooks"):
        Chosen(embedded, shuffle=True)
    with pytest.raises(InvalidArgumentError, match="partition_sources_by_worker"):
        AISIterDataset(embedded, partition_sources_by_worker=True, shuffle=True)
    with pytest.raises(InvalidArgumentError, match="partition_sources_by_worker"):
        iter(AISIterDataset(embedded, partition_sources_by_worker=True, rank=0, world_size=2))
    state = AISIterDataset(embedded).state_dict()
    for dataset in (
        Chosen(embedded),
        AISIterDataset(embedded, partition_sources_by_worker=True),
        AISIterDataset(embedded, config=ReadConfig(in_order=False)),
    ):
        with pytest.raises(InvalidArgumentError, match="no state"):
            dataset.state_dict()
        with pytest.raises(InvalidArgumentError, match="no state"):
            dataset.load_state_dict(state)


def test_without_an_order_of_arrival_ranks_share_all(embedded: Bucket) -> None:
    config = ReadConfig(in_order=False)
    parts = [AISIterDataset(embedded, shuffle=True, config=config, rank=rank, world_size=2) for rank in range(2)]
    read = [sample for part in parts for sample in part]
    assert sorted(set(read)) == EXPECTED
    assert len(read) == COUNT + 1


def test_samples_are_those_that_are_read_one_by_one(filled: Bucket) -> None:
    """However objects are read, shuffled pages give each name its own content."""
    for mode in ("get", "batch"):
        dataset = AISIterDataset([filled, filled], shuffle=True, config=ReadConfig(mode=mode))
        assert sorted(dataset) == sorted(EXPECTED * 2)
