"""Shards that are overwritten after they were listed: read as they are now, or told; never cut at places of before."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from aistore.sdk import Bucket, DataShard

from aistorch import AISMultiShardStream, AISShardMapDataset, AISShardReader, ReadConfig, RetryPolicy, ShardWriter
from aistorch.errors import AIStorchError, ObjectReplacedError, ShardError, StaleShardIndexWarning
from tests.support.objects import content, put_all
from tests.support.shards import Files, grouped, index_of, indexed
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

CONFIG = ReadConfig(retry=RetryPolicy(attempts=3, backoff=0.05))
OLD: Files = [(f"{number}.jpg", content(f"o{number}", size)) for number, size in enumerate([100, 3000, 700, 20])]
SAME: Files = [(f"{number}.jpg", content(f"n{number}", size)) for number, size in enumerate([3000, 100, 20, 700])]
MORE: Files = [*SAME, ("4.jpg", content("n4", 9000)), ("5.jpg", content("n5", 5))]
FEWER: Files = SAME[:2]
LARGE_OLD: Files = [(f"{number:03}.jpg", content(f"o{number}", 100_000)) for number in range(60)]
LARGE_NEW: Files = [(f"{number:03}.jpg", content(f"n{number}", 99_000 + 33 * number)) for number in range(60)]
NEW = {"the same size": SAME, "more": MORE, "fewer": FEWER}


def expected(files: Files) -> list[tuple[str, dict[str, bytes]]]:
    return [(name.partition(".")[0], {"jpg": body}) for name, body in files]


def streamed(dataset: Any) -> Any:
    return grouped(dataset)


def mapped(dataset: Any) -> Any:
    return grouped(dataset.__getitems__(list(range(len(dataset)))))


READERS: dict[str, tuple[Callable[[Bucket], Any], Callable[[Any], Any]]] = {
    "stream": (lambda bucket: AISShardReader(bucket, config=CONFIG), streamed),
    "extensions": (lambda bucket: AISShardReader(bucket, config=CONFIG, extensions=["jpg"]), streamed),
    "map": (lambda bucket: AISShardMapDataset(bucket, config=CONFIG), mapped),
}


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("beside", [True, False], ids=["an index", "no index"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_stored_now_is_read_or_told(bucket: Bucket, reader: str, beside: bool, new: str) -> None:
    make, read = READERS[reader]
    put_all(bucket, indexed("s.tar", OLD) if beside else {"s.tar": pack(OLD)})
    dataset = make(bucket)
    assert read(dataset) == expected(OLD)
    put_all(bucket, {"s.tar": pack(NEW[new])})
    if reader == "map" and len(NEW[new]) != len(OLD):
        with (
            pytest.warns(StaleShardIndexWarning, match=r"s\.tar has been overwritten"),
            pytest.raises(ShardError, match=rf"s\.tar.*had 4 samples.*has {len(NEW[new])}.*make the dataset anew"),
        ):
            read(dataset)
    elif reader == "map" or beside:
        with pytest.warns(StaleShardIndexWarning, match=r"s\.tar"):
            assert read(dataset) == expected(NEW[new])
    else:
        assert read(dataset) == expected(NEW[new])
    with warnings.catch_warnings():  # told once
        warnings.simplefilter("error")
        if reader != "map" or len(NEW[new]) == len(OLD):
            assert read(dataset) == expected(NEW[new])


@pytest.mark.parametrize("reader", READERS)
def test_a_shard_and_its_index_written_anew_are_read_by_both(bucket: Bucket, reader: str) -> None:
    make, read = READERS[reader]
    with ShardWriter(bucket) as writer:
        for name, body in OLD:
            writer.write(name.partition(".")[0], {"jpg": body})
    dataset = make(bucket)
    with ShardWriter(bucket, overwrite=True) as writer:
        for name, body in SAME:
            writer.write(name.partition(".")[0], {"jpg": body})
    with warnings.catch_warnings():
        warnings.simplefilter("error" if reader != "map" else "ignore")  # that has the old index already
        assert read(dataset) == expected(SAME)


@pytest.mark.parametrize("beside", [True, False], ids=["an index", "no index"])
@pytest.mark.parametrize("reader", READERS)
def test_large_shards_of_another_size(bucket: Bucket, reader: str, beside: bool) -> None:
    make, read = READERS[reader]
    put_all(bucket, indexed("s.tar", LARGE_OLD) if beside else {"s.tar": pack(LARGE_OLD)})
    dataset = make(bucket)
    len(dataset)
    put_all(bucket, {"s.tar": pack(LARGE_NEW)})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert read(dataset) == expected(LARGE_NEW)
    assert any(issubclass(each.category, StaleShardIndexWarning) for each in warned)


@pytest.mark.parametrize("beside", [True, False], ids=["an index", "no index"])
@pytest.mark.parametrize("new", NEW)
def test_parts_of_a_shard_are_all_of_one_version(bucket: Bucket, new: str, beside: bool) -> None:
    put_all(bucket, indexed("s.tar", OLD) if beside else {"s.tar": pack(OLD)})
    ranks = [AISShardReader(bucket, config=CONFIG, rank=rank, world_size=2, batch_size=2) for rank in range(2)]
    for dataset in ranks:
        len(dataset)
    put_all(bucket, {"s.tar": pack(NEW[new])})
    found: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for dataset in ranks:
                found += grouped(dataset)
        except ShardError as error:
            told = str(error)
        else:
            told = ""
    assert ("had 4 samples when it was dealt" in told) == (len(NEW[new]) != len(OLD))
    assert told or found == expected(NEW[new])
    assert found == expected(NEW[new])[: len(found)]


def test_files_side_by_side_are_those_of_now(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {"a/s.tar": pack(OLD), "b/s.tar": pack([(f"{n}.cls", b"%d" % n) for n in range(4)])})
    rows = [DataShard(client_url=ais.endpoint, bucket_name=bucket.name, prefix=prefix) for prefix in ("a/", "b/")]
    dataset = AISMultiShardStream(rows)
    assert list(dataset) == [(body, b"%d" % n) for n, (_, body) in enumerate(OLD)]
    put_all(bucket, {"a/s.tar": pack(SAME)})
    assert list(dataset) == [(body, b"%d" % n) for n, (_, body) in enumerate(SAME)]


# buckets with checksums of other kinds


@pytest.fixture
def of_kind(ais: Server, bucket: Bucket) -> Callable[[str], Bucket]:
    def make(kind: str) -> Bucket:
        if ais.embedded:
            pytest.skip("the embedded server has one kind of checksums")
        response = requests.patch(
            f"{ais.endpoint}/v1/buckets/{bucket.name}",
            params={"provider": "ais"},
            json={"action": "set-bprops", "value": {"checksum": {"type": kind}, "versioning": {"enabled": False}}},
        )
        response.raise_for_status()
        return bucket

    return make


@pytest.mark.parametrize("kind", ["md5", "crc32c", "sha256", "none", "xxhash2"])
@pytest.mark.parametrize("reader", READERS)
def test_other_kinds_of_checksums(of_kind: Callable[[str], Bucket], kind: str, reader: str) -> None:
    bucket = of_kind(kind)
    make, read = READERS[reader]
    put_all(bucket, indexed("s.tar", OLD) | indexed("t.tar", LARGE_OLD))
    dataset = make(bucket)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(dataset) == expected(OLD) + expected(LARGE_OLD)
    put_all(bucket, {"s.tar": pack(SAME), "t.tar": pack(LARGE_NEW)})
    with pytest.warns(StaleShardIndexWarning) as warned:
        assert read(dataset) == expected(SAME) + expected(LARGE_NEW)
    assert {name for name in ("s.tar", "t.tar") if any(name in str(each.message) for each in warned)} == {
        "s.tar",
        "t.tar",
    }
    # One that was overwritten before it was listed, its index left behind.
    with pytest.warns(StaleShardIndexWarning):
        assert read(make(bucket)) == expected(SAME) + expected(LARGE_NEW)


# while it is read


@pytest.mark.parametrize("reader", ["stream", "extensions"])
def test_no_sample_is_made_of_two_versions(bucket: Bucket, reader: str) -> None:
    put_all(bucket, indexed("s.tar", LARGE_OLD))
    dataset = AISShardReader(bucket, config=ReadConfig(budget=1, in_flight=1, retry=CONFIG.retry))
    other = [(name, body[::-1]) for name, body in LARGE_OLD]
    samples = iter(dataset)
    found = [next(samples)]
    put_all(bucket, {"s.tar": pack(other)})
    with pytest.raises(AIStorchError, match=r"s\.tar") as raised:
        found.extend(samples)
    assert isinstance(raised.value, ObjectReplacedError)
    assert grouped(found) == expected(LARGE_OLD)[: len(found)]


def test_an_index_of_other_places_with_the_right_checksum_is_not_believed(bucket: Bucket) -> None:
    data, other = pack(OLD), index_of("s.tar", pack(SAME))
    right = index_of("s.tar", data)
    forged = replace(other, shard_size=right.shard_size, shard_checksum=right.shard_checksum)
    for make, read in READERS.values():
        put_all(bucket, {"s.tar": data, "s.tar.idx": forged.to_bytes()})
        with pytest.warns(StaleShardIndexWarning, match="does not tell where its files are"):
            assert read(make(bucket)) == expected(OLD)
