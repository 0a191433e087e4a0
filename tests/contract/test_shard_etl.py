"""Shards that an ETL makes on the server: of the embedded one, since a real cluster runs ETLs in Kubernetes alone."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from aistore.sdk import Bucket, DataShard
from aistore.sdk.etl import ETLConfig

from aistorch import AISMultiShardStream, AISShardReader, ReadConfig
from aistorch.errors import ObjectNotFoundError, TransformError
from tests.support.loading import load
from tests.support.objects import content, new_bucket
from tests.support.shards import Files, files_of, grouped, indexed, read_slowly

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")

SHARDS: dict[str, Files] = {
    "a/0.tar": files_of("a", 4),
    "a/1.tar": files_of("b", 3, ("jpg", "txt")),
    "b/0.tar": [(f"{number}.x", content(f"large{number}", 400_000)) for number in range(6)],
}
SMALL = ReadConfig(budget=1 << 20)


def reversed_files(data: bytes) -> bytes:
    """The same archive with each content reversed; compressed."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for info in old:
            new.addfile(info, io.BytesIO(old.extractfile(info).read()[::-1]))  # type: ignore[union-attr]
    return gzip.compress(made.getvalue(), 1)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with server_module.EmbeddedAIStore(etls={"reverse": reversed_files}) as server:
        yield server


@pytest.fixture(scope="module")
def bucket(server: Any) -> Iterator[Bucket]:
    objects: dict[str, bytes] = {}
    for name, files in SHARDS.items():
        objects |= indexed(name, files)
    with new_bucket(server.client(), objects) as bucket:
        yield bucket


def made(*names: str) -> list[Files]:
    return [[(name, body[::-1]) for name, body in SHARDS[shard]] for shard in names]


@pytest.mark.parametrize("etl", ["reverse", ETLConfig("reverse")])
def test_the_shard_reader(bucket: Bucket, etl: Any) -> None:
    expected = read_slowly(made(*SHARDS))
    for config in (ReadConfig(), SMALL):
        # What lies where, and in which size, is not what the index or the listing of the bucket say.
        assert grouped(AISShardReader(bucket, etl_name=etl, config=config)) == expected
    small = AISShardReader(bucket, {bucket: "a/"}, etl_name=etl, even="drop", rank=1, world_size=2)
    assert len(small) == 3
    assert [name for name, _ in small] == ["a-003", "b-000", "b-001"]
    found = load(AISShardReader(bucket, {bucket: "a/"}, etl_name=etl), 2, "fork")
    assert sorted(name for name, _ in found) == [name for name, _ in expected[:7]]


def test_rows_of_which_some_are_made_by_an_etl(server: Any, bucket: Bucket) -> None:
    plain = DataShard(server.endpoint, bucket.name, prefix="a/")
    turned = DataShard(server.endpoint, bucket.name, prefix="a/", etl_name="reverse")
    expected = [(body, body[::-1]) for shard in ("a/0.tar", "a/1.tar") for _, body in SHARDS[shard]]
    dataset = AISMultiShardStream([plain, turned])
    assert [*dataset] == expected
    assert len(dataset) == len(expected)
    assert sorted(load(dataset, 2, "fork")) == sorted(expected)


def test_an_etl_that_is_not_there(bucket: Bucket) -> None:
    with pytest.raises((TransformError, ObjectNotFoundError), match="missing"):
        next(iter(AISShardReader(bucket, etl_name="missing")))
