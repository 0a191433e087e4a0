"""Places by an index: those that the headers tell, whatever the index says and wherever chunks are cut."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import given

from aistorch.errors import DamagedShardError, TruncatedShardError
from aistorch.shards.indexed_places import IndexedPlaces
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.tar import TarHeaders
from tests.support.shard_strategies import cuts, shards
from tests.support.shards import Files, index_of
from tests.support.tars import chunks, pack

SHARD = "ais://bucket/shard.tar"
LONG = "long/" * 30


@given(shards(), cuts)
def test_they_are_those_of_the_headers(files: Files, at: list[int]) -> None:
    data = pack(files)
    indexed, headers = IndexedPlaces(SHARD, index_of(SHARD, data)), TarHeaders(SHARD)
    for part in chunks(data, at):
        assert list(indexed.feed(part)) == list(headers.feed(part))
    indexed.close()
    assert indexed.is_complete


@given(shards(), shards(), cuts)
def test_the_index_of_another_shard_changes_none_and_is_told(files: Files, others: Files, at: list[int]) -> None:
    data, index = pack(files), index_of(SHARD, pack(others))
    indexed, headers = IndexedPlaces(SHARD, index), TarHeaders(SHARD)
    for part in chunks(data, at):
        assert list(indexed.feed(part)) == list(headers.feed(part))
    assert indexed.is_complete == (index_of(SHARD, data).all_names == index.all_names and same_places(data, index))


def same_places(data: bytes, index: MemberIndex) -> bool:
    right = index_of(SHARD, data)
    same: bool = right.offsets.tolist() == index.offsets.tolist() and right.sizes.tolist() == index.sizes.tolist()
    return same


@given(shards())
def test_they_may_begin_behind_any_sample(files: Files) -> None:
    data = pack(files)
    index = index_of(SHARD, data)
    for number in range(len(index)):
        origin = -(-index.span(number)[1] // 512) * 512
        indexed = IndexedPlaces(SHARD, index, origin)
        assert list(indexed.feed(data[origin:])) == list(TarHeaders(SHARD, origin).feed(data[origin:]))
        assert indexed.is_complete


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_need_more_than_a_header_and_other_files_between(tar_format: int) -> None:
    files = [(f"{number}.x", b"1" * number) for number in range(20)]
    files[5:5] = [(f"{LONG}a.x", b"22"), ("README", b"3")]
    files[12:12] = [("./b.x", b"4"), ("ö.x", b"5"), (f"{'n' * 100}.x", b"6")] if tar_format else [("./b.x", b"4")]
    data = pack(files, tar_format, mtime=1.5)  # type: ignore[arg-type]
    index = index_of(SHARD, data)
    for size in (512, 1000, len(data)):
        indexed, headers = IndexedPlaces(SHARD, index), TarHeaders(SHARD)
        for part in chunks(data, range(0, len(data), size)):
            assert list(indexed.feed(part)) == list(headers.feed(part))
        assert indexed.is_complete


def test_a_shard_that_has_fewer_or_more_files_than_its_index_is_told() -> None:
    files = [(f"{number}.x", b"1") for number in range(20)]
    for stored, listed in ((files, files[:-1]), (files[:-1], files), (files, files[1:]), (files, [])):
        data = pack(stored)
        indexed = IndexedPlaces(SHARD, index_of(SHARD, pack(listed)))
        assert [place[0] for place in indexed.feed(data)] == [name for name, _ in stored]
        assert not indexed.is_complete


def test_a_shard_that_ends_too_early_is_told() -> None:
    data = pack([("a.x", b"1"), ("b.x", b"2" * 100)])
    places = IndexedPlaces(SHARD, index_of(SHARD, data))
    assert [place[0] for place in places.feed(data[:1600])] == ["a.x", "b.x"]
    with pytest.raises(TruncatedShardError, match=r"'b\.x' at byte 1600: 36 of 100 bytes are missing"):
        places.close()


def test_damage_is_told_as_without_an_index() -> None:
    data = bytearray(pack([(f"{number}.x", b"1") for number in range(20)]))
    index = index_of(SHARD, bytes(data))
    data[8 * 1024] ^= 1
    indexed = IndexedPlaces(SHARD, index)
    assert len(indexed.feed(bytes(data))) == 8
    with pytest.raises(DamagedShardError, match="at byte 8192"):
        indexed.close()
