"""Zip shards: the same samples as if they were TAR shards, wherever their files are listed."""

from __future__ import annotations

from typing import Any

import pytest
from aistore.sdk import Bucket, DataShard

from aistorch import AISMultiShardStream, AISShardReader, ReadConfig
from aistorch.errors import ScatteredSampleError
from tests.contract.conftest import Server
from tests.support import archives
from tests.support.loading import load
from tests.support.objects import content, put_all
from tests.support.shards import Files, grouped, read_slowly
from tests.support.tars import pack

# Sorted by name, a folder comes between the files of a sample; and a file that belongs to none.
INTERLEAVED: Files = [
    (name, content(name, 40))
    for name in ["a", "a.cls", "a.d/x.cls", "a.d/x.jpg", "a.d/y.jpg", "a.jpg", "b.a/c.jpg", "b.jpg", "b.txt", "c.jpg"]
]
EXPECTED = read_slowly([INTERLEAVED])


def read(source: Bucket, **options: Any) -> list[Any]:
    return grouped([*AISShardReader(source, **options)])


@pytest.mark.parametrize("config", [ReadConfig(), ReadConfig(budget=1), ReadConfig(in_flight=1)])
def test_folders_between_the_files_of_a_sample(bucket: Bucket, config: ReadConfig) -> None:
    put_all(bucket, {"s.zip": archives.pack(".zip", INTERLEAVED)})
    for group in ("adjacent", "shard"):
        assert read(bucket, group=group, config=config) == EXPECTED
    declared = read(bucket, extensions=["jpg"], config=config)
    assert [(name, files["jpg"]) for name, files in declared] == [(name, files["jpg"]) for name, files in EXPECTED]


def test_the_order_of_names_in_the_archive_is_of_no_account(bucket: Bucket) -> None:
    put_all(bucket, {"s.zip": archives.pack(".zip", INTERLEAVED[::-1])})
    assert read(bucket) == EXPECTED


def test_a_tar_in_that_order_is_still_an_error(bucket: Bucket) -> None:
    put_all(bucket, {"s.tar": pack(INTERLEAVED)})
    with pytest.raises(ScatteredSampleError, match=r"'a'.*group='shard'"):
        read(bucket)
    assert read(bucket, group="shard") == EXPECTED


def test_ranks_and_workers_divide_it(bucket: Bucket) -> None:
    put_all(bucket, {"s.zip": archives.pack(".zip", INTERLEAVED), "t.zip": archives.pack(".zip", INTERLEAVED)})
    both = read_slowly([INTERLEAVED, INTERLEAVED])
    assert len(AISShardReader(bucket)) == len(both)
    parts = [read(bucket, even="drop", rank=rank, world_size=3) for rank in range(3)]
    assert [name for part in parts for name, _ in part] == [name for name, _ in both]
    found = grouped(load(AISShardReader(bucket), 2, "fork"))
    assert sorted(found, key=repr) == sorted(both, key=repr)


def test_a_state_goes_on_behind_its_sample(bucket: Bucket) -> None:
    put_all(bucket, {"s.zip": archives.pack(".zip", INTERLEAVED)})
    for count in range(len(EXPECTED)):
        first, second = AISShardReader(bucket), AISShardReader(bucket)
        samples = iter(first)
        begun = [next(samples) for _ in range(count)]
        second.load_state_dict(first.state_dict())
        assert grouped(begun) + grouped([*second]) == EXPECTED


def test_files_side_by_side_come_in_the_same_order_for_all_who_share_them(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {"s.zip": archives.pack(".zip", INTERLEAVED)})
    row = DataShard(ais.endpoint, bucket.name, prefix="s")
    whole = [*AISMultiShardStream([row])]
    assert sorted(whole) == sorted((body,) for _, body in INTERLEAVED)
    parts = [[*AISMultiShardStream([row], rank=rank, world_size=2)] for rank in range(2)]
    assert parts[0] + parts[1] == whole
