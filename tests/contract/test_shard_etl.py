"""Shards that an ETL makes on the server: of the embedded one, since a real cluster runs ETLs in Kubernetes alone."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from aistore.sdk import Bucket, DataShard
from aistore.sdk.etl import ETLConfig

from aistorch import AISMultiShardStream, AISShardMapDataset, AISShardReader, ReadConfig
from aistorch.errors import ObjectNotFoundError, SampleIndexError, ShardError, TransformError
from aistorch.fetch.request import Request
from aistorch.fetch.transport import Transport
from tests.support.loading import error_of, load
from tests.support.objects import content, new_bucket
from tests.support.shards import Files, files_of, grouped, indexed, read_slowly
from tests.support.tars import pack

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


def with_arguments(data: bytes, etl_args: str) -> bytes:
    """A shard of its own, not compressed, in which samples lie apart, and others with the same base names."""
    if data[:1] != b"a":
        raise ValueError("no shard that is known")
    return pack([("x/1.a", data), ("y/1.a", b"2"), ("x/1.args", etl_args.encode())])


ETLS = {"reverse": reversed_files, "with-args": with_arguments}


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with server_module.EmbeddedAIStore(etls=ETLS) as server:
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


# any sample by its index


@contextmanager
def reads() -> Iterator[list[str]]:
    """The shards that are asked for in this process from here on."""
    seen: list[str] = []
    submit = Transport.submit

    def watching(self: Transport, request: Request) -> None:
        seen.append(request.name)
        submit(self, request)

    with patch.object(Transport, "submit", watching):
        yield seen


def all_with(extensions: set[str]) -> list[Any]:
    return [(name, dict.fromkeys(extensions, b"") | files) for name, files in read_slowly(made(*SHARDS))]


@pytest.mark.parametrize("etl", ["reverse", ETLConfig("reverse")])
def test_samples_by_their_index_are_those_of_the_shard_reader(bucket: Bucket, etl: Any) -> None:
    expected = all_with({"jpg", "cls", "txt", "x"})
    streamed = grouped(AISShardReader(bucket, etl_name=etl, extensions=["jpg", "cls", "txt", "x"]))
    for config in (ReadConfig(), SMALL, ReadConfig(budget=1)):
        dataset = AISShardMapDataset(bucket, etl_name=etl, config=config)
        assert len(dataset) == len(expected)
        assert grouped(dataset[index] for index in range(len(dataset))) == expected == streamed
        wanted = [12, 0, -1, 5, 0, 3, 12, -13]
        assert grouped(dataset.__getitems__(wanted)) == [expected[index] for index in wanted]
        assert dataset.sizes.tolist() == [sum(map(len, files.values())) for _, files in expected]
    with pytest.raises(SampleIndexError, match="index 13 is outside a dataset of 13 samples"):
        dataset[13]
    assert all(type(body) is bytes for body in dataset[0][1].values())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_reads_each_sample_by_index_once(bucket: Bucket, workers: int) -> None:
    dataset = AISShardMapDataset(bucket, etl_name="reverse", config=SMALL)
    found = load(dataset, workers, "fork", batch_size=4, shuffle=True)
    assert sorted(grouped(found), key=str) == sorted(all_with({"jpg", "cls", "txt", "x"}), key=str)


def test_a_shard_is_read_once_a_batch_and_kept_while_there_is_room(bucket: Bucket) -> None:
    dataset = AISShardMapDataset(bucket, etl_name="reverse", config=SMALL)
    with reads() as seen:
        dataset.__getitems__([0, 4, 1, 5, 2, 6])
        assert sorted(seen) == ["a/0.tar", "a/1.tar"]
        dataset.__getitems__([3, 0]), dataset[4]
        assert len(seen) == 2  # both have been kept
        dataset[7], dataset[8], dataset[7]
        assert seen[2:] == ["b/0.tar"]  # it is larger than all that may be kept, and takes the place of the others
        dataset[0]
        assert seen[3:] == ["a/0.tar"]
        copy = pickle.loads(pickle.dumps(dataset))
        assert copy[0] == dataset[0]
        assert len(seen) == 5  # what is kept stays in its process


def test_what_a_user_does_with_a_sample_is_not_kept(bucket: Bucket) -> None:
    dataset = AISShardMapDataset(bucket, etl_name="reverse")
    first, again = dataset.__getitems__([0, 0])
    expected = dict(first[1])
    first[1]["jpg"] = b"changed"
    del first[1]["cls"]
    assert again[1] == dataset[0][1] == expected


@pytest.mark.parametrize("kind", [AISShardReader, AISShardMapDataset])
def test_arguments_reach_the_etl(server: Any, kind: Any) -> None:
    with new_bucket(server.client(), {"0.tar": b"a"}) as bucket:
        options = {"group": "shard"} if kind is AISShardReader else {}
        etl = ETLConfig("with-args", args={"w": 2})
        dataset = pickle.loads(pickle.dumps(kind(bucket, etl_name=etl, **options)))
        expected = [("x/1", {"a": b"a", "args": b'{"w":2}'}), ("y/1", {"a": b"2", "args": b""})]
        assert grouped(load(dataset)) == expected


def test_rows_with_arguments(server: Any) -> None:
    with new_bucket(server.client(), {"0.tar": b"a"}) as bucket:
        row = DataShard(server.endpoint, bucket.name, etl_name=ETLConfig("with-args", args="!"))  # type: ignore[arg-type]
        assert [*AISMultiShardStream([row])] == [(b"a",), (b"2",), (b"!",)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_the_etl_cannot_take_is_named(server: Any, workers: int) -> None:
    with new_bucket(server.client(), {"0.tar": b"a", "1.tar": b"a"}) as bucket:
        dataset = AISShardMapDataset(bucket, etl_name="with-args")
        bucket.object("1.tar").get_writer().put_content(b"bad")
        error = error_of(dataset, workers, "fork")
        assert isinstance(error, TransformError)
        assert f"ais://{bucket.name}/1.tar could not be transformed" in str(error)
        assert "ValueError: no shard that is known" in str(error)
        with pytest.raises(TransformError, match=f"ais://{bucket.name}/1.tar could not be transformed"):
            AISShardMapDataset(bucket, etl_name="with-args")


def test_a_shard_of_which_something_else_is_made_than_before(server: Any) -> None:
    with new_bucket(server.client(), {"0.tar": pack(files_of("c", 3))}) as bucket:
        dataset = AISShardMapDataset(bucket, etl_name="reverse")
        bucket.object("0.tar").get_writer().put_content(pack(files_of("c", 2)))
        with pytest.raises(ShardError, match=rf"ais://{bucket.name}/0.tar .* made 3 samples of it at first, and 2 now"):
            dataset[0]


def test_an_etl_that_is_not_there(bucket: Bucket) -> None:
    with pytest.raises((TransformError, ObjectNotFoundError), match="missing"):
        next(iter(AISShardReader(bucket, etl_name="missing")))
    with pytest.raises((TransformError, ObjectNotFoundError), match="missing"):
        AISShardMapDataset(bucket, etl_name="missing")
