"""Shards and DataLoader workers: each sample once, also where there are fewer shards than workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket
from torch.utils.data import DataLoader

from aistorch import AISShardReader
from tests.support.shards import files_of, names, shard_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server


@pytest.fixture(scope="module")
def shards(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), {f"{name}.tar": files_of(name, 5 + name.count("b") * 8) for name in "abc"}) as made:
        yield made


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2, 4])
def test_workers_read_each_sample_once(shards: Bucket, workers: int) -> None:
    dataset = AISShardReader(shards)
    read = [name for batch, _ in DataLoader(dataset, batch_size=4, num_workers=workers) for name in batch]
    assert sorted(read) == sorted(names(AISShardReader(shards)))
    assert len(read) == len(dataset) == 23
