"""`AISShardReader` where a subclass, or each worker, decides which shards there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket
from aistore.sdk.obj.object import Object
from torch.utils.data import DataLoader

from aistorch import AISShardReader
from aistorch.errors import InvalidArgumentError
from tests.support.shards import files_of, names, shard_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server


class Validation(AISShardReader):
    """As scripts for the SDK's plugin choose shards."""

    def _create_objects_iter(self, sources: object = None) -> Iterable[Object]:
        return [each for each in super()._create_objects_iter() if each.name.startswith("val")]


@pytest.fixture(scope="module")
def buckets(ais: Server) -> Iterator[list[Bucket]]:
    shards = {f"{kind}-{number}.tar": files_of(f"{kind}{number}", 4) for kind in ("val", "train") for number in (0, 1)}
    with shard_bucket(ais.client(), shards) as first, shard_bucket(ais.client(), shards) as second:
        yield [first, second]


def test_a_subclass_chooses_shards(buckets: list[Bucket]) -> None:
    dataset = Validation(buckets[0])
    chosen = names(dataset)
    assert len(chosen) == len(dataset) == 8
    assert all(name.startswith("val") for name in chosen)
    assert chosen == [name for name in names(AISShardReader(buckets[0])) if name.startswith("val")]


def test_workers_share_chosen_shards(buckets: list[Bucket]) -> None:
    dataset = Validation(buckets[0])
    read = [name for batch, _ in DataLoader(dataset, batch_size=3, num_workers=2) for name in batch]
    assert sorted(read) == sorted(names(dataset))


def test_what_only_a_subclass_knows_has_no_shuffle_and_no_state(buckets: list[Bucket]) -> None:
    with pytest.raises(InvalidArgumentError, match="Validation chooses its objects"):
        Validation(buckets[0], shuffle=True)
    with pytest.raises(InvalidArgumentError, match="Validation chooses its objects"):
        Validation(buckets[0]).state_dict()


def test_workers_list_their_own_sources_only(buckets: list[Bucket]) -> None:
    dataset = AISShardReader(buckets, partition_sources_by_worker=True)
    batches = [list(batch) for batch, _ in DataLoader(dataset, batch_size=16, num_workers=2)]
    assert [len(batch) for batch in batches] == [16, 16]  # a bucket each
    assert sorted(name for batch in batches for name in batch) == sorted(names(AISShardReader(buckets)))
    with pytest.raises(InvalidArgumentError, match="2 ranks"):
        next(iter(AISShardReader(buckets, partition_sources_by_worker=True, rank=0, world_size=2)))
