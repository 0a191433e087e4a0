"""Who shares the samples: each comes once, whoever else deals them; or an error says what to write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from aistore.sdk import Bucket
from torch.utils.data import ChainDataset, DataLoader, IterableDataset, get_worker_info

from aistorch import AISBaseIterDataset, AISBatchSampler, AISDataLoader, AISIterDataset, AISMapDataset, AISShardReader
from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from tests.contract.conftest import Server
from tests.support.objects import new_bucket
from tests.support.shards import files_of, shard_bucket

FOLDERS = ("a", "b", "c", "d")
CONTENTS = {f"{folder}/{number}": b"x" for folder in FOLDERS for number in range(6)}
NAMES = sorted(CONTENTS)


@pytest.fixture(scope="module")
def bucket(second_server: Server) -> Iterator[Bucket]:
    with new_bucket(second_server.client(), CONTENTS) as made:
        yield made


class DealsFolders(IterableDataset[str]):
    """Shares folders among its workers, and reads each by a dataset of its own."""

    def __init__(self, bucket: Bucket, **options: Any) -> None:
        self.bucket, self.options = bucket, options

    def __iter__(self) -> Iterator[str]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for folder in FOLDERS[worker::workers]:
            for name, _ in AISIterDataset(self.bucket, {self.bucket: f"{folder}/"}, **self.options):
                yield name


class PassesOn(IterableDataset[str]):
    """Does something with each sample."""

    def __init__(self, dataset: IterableDataset[Any]) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[str]:
        for name, _ in self.dataset:
            yield name


def read(dataset: Any, workers: int) -> list[str]:
    return sorted(DataLoader(dataset, None, num_workers=workers))


@pytest.mark.parametrize("workers", [2, 3])
def test_a_dataset_that_may_share_itself_has_to_say_so(bucket: Bucket, workers: int) -> None:
    for dataset in (DealsFolders(bucket), PassesOn(AISIterDataset(bucket))):
        with pytest.raises(InvalidArgumentError, match=r"split='ranks'; if it only passes samples on, split='ranks\+w"):
            read(dataset, workers)
    assert read(DealsFolders(bucket, split="ranks"), workers) == NAMES
    assert read(PassesOn(AISIterDataset(bucket, split="ranks+workers")), workers) == NAMES


@pytest.mark.parametrize("workers", [0, 1])
def test_one_process_shares_with_nobody(bucket: Bucket, workers: int) -> None:
    assert read(DealsFolders(bucket), workers) == NAMES
    assert read(PassesOn(AISIterDataset(bucket)), workers) == NAMES


def test_torchs_chain_of_datasets_is_known_to_pass_samples_on(bucket: Bucket) -> None:
    chain = ChainDataset(
        [AISIterDataset(bucket, {bucket: ["a/", "b/"]}), AISIterDataset(bucket, {bucket: ["c/", "d/"]})]
    )
    assert sorted(name for name, _ in DataLoader(chain, None, num_workers=2)) == NAMES


@pytest.mark.parametrize(
    ("split", "ranks", "workers"),
    [("ranks+workers", True, True), ("ranks", True, False), ("workers", False, True), ("none", False, False)],
)
def test_split_says_who_shares(
    second_server: Server, bucket: Bucket, split: Any, ranks: bool, workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(AISBaseIterDataset):
        def __iter__(self) -> Any:
            self._reset_iterator()
            return ((each.name, b"") for each in self._get_worker_iter_info()[0])

    monkeypatch.setenv("WORLD_SIZE", "2")
    shards = {f"{number}.tar": files_of(f"s{number}", 6, ("x",)) for number in range(4)}
    with (
        shard_bucket(second_server.client(), shards) as plain,
        shard_bucket(second_server.client(), shards, with_indices=True) as indexed,
    ):
        makers: list[Any] = [
            lambda: AISIterDataset(bucket, split=split),
            lambda: Own(bucket, split=split),
            lambda: AISShardReader(plain, split=split, extensions=["x"]),
            lambda: AISShardReader(indexed, split=split),
        ]
        for make in makers:
            found: list[str] = []
            for rank in range(2):
                monkeypatch.setenv("RANK", str(rank))
                dataset = make()
                assert dataset.split == split
                found += [name for name, _ in DataLoader(dataset, None, num_workers=2)]
            times = {found.count(name) for name in found}
            assert times == {(1 if ranks else 2) * (1 if workers else 2)}
            assert len(set(found)) == 24


def test_a_rank_where_ranks_share_nothing_is_refused(bucket: Bucket) -> None:
    with pytest.raises(InvalidArgumentError, match="leave out one"):
        AISIterDataset(bucket, split="workers", rank=0, world_size=2)
    with pytest.raises(InvalidArgumentError, match=r"split is 'rank'.*'ranks\+workers'"):
        AISIterDataset(bucket, split="rank")  # type: ignore[arg-type]


def test_a_sampler_in_place_of_a_dataset_is_refused(bucket: Bucket) -> None:
    from torch.utils.data import DistributedSampler, RandomSampler

    dataset = AISMapDataset(bucket)
    samplers: list[Any] = [RandomSampler(dataset), DistributedSampler(dataset, num_replicas=2, rank=0)]
    for sampler in samplers:
        with pytest.raises(ArgumentTypeError, match="dataset"):
            AISBatchSampler(sampler, 4)
        with pytest.raises(ArgumentTypeError, match="sampler="):
            AISDataLoader(sampler, 4)


def test_the_length_is_what_comes_for_each_number_of_workers(second_server: Server, bucket: Bucket) -> None:
    shards = {f"{number}.tar": files_of(f"s{number}", 3 + number, ("x",)) for number in range(4)}
    with (
        shard_bucket(second_server.client(), shards) as plain,
        shard_bucket(second_server.client(), shards, with_indices=True) as indexed,
    ):
        makers: list[Any] = [
            lambda: AISIterDataset(bucket),
            lambda: AISIterDataset(bucket, {bucket: ["a/", "b/"]}, partition_sources_by_worker=True),
            lambda: AISShardReader(plain, extensions=["x"]),
            lambda: AISShardReader(indexed),
        ]
        for make in makers:
            for drop_last in (False, True):
                for workers in (0, 2, 3):
                    loader: Any = AISDataLoader(make(), 4, num_workers=workers, drop_last=drop_last, collate_fn=list)
                    assert len(loader) == len([*islice(loader, 99)]), (make().split, drop_last, workers)
