"""Places by an index: those that the headers tell, wherever chunks are cut."""

from __future__ import annotations

import pytest
from hypothesis import given

from aistorch.errors import TruncatedShardError
from aistorch.shards.grouping import split_name
from aistorch.shards.indexed_places import IndexedPlaces
from aistorch.shards.tar import TarHeaders
from aistorch.shards.tar_contents import File, TarContents
from tests.support.shard_strategies import cuts, shards
from tests.support.shards import Files, index_of
from tests.support.tars import chunks, pack

SHARD = "ais://bucket/shard.tar"


@given(shards(), cuts)
def test_they_are_those_of_the_headers(files: Files, at: list[int]) -> None:
    data = pack(files)
    indexed, headers, contents = IndexedPlaces(SHARD, index_of(SHARD, data)), TarHeaders(SHARD), TarContents(SHARD)
    taken: list[File] = []
    for part in chunks(data, at):
        places = indexed.feed(part)
        assert list(places) == [place for place in headers.feed(part) if split_name(place[0])]
        taken += contents.feed(part, places)
    indexed.close()
    assert [(name, content) for name, content, _ in taken] == [file for file in files if split_name(file[0])]


@given(shards())
def test_they_may_begin_behind_any_sample(files: Files) -> None:
    data = pack(files)
    index = index_of(SHARD, data)
    for number in range(len(index)):
        origin = -(-index.span(number)[1] // 512) * 512
        found = IndexedPlaces(SHARD, index, origin).feed(data[origin:])
        assert list(found) == list(IndexedPlaces(SHARD, index).feed(data))[int(index.firsts[number + 1]) :]


def test_a_shard_that_ends_too_early_is_told() -> None:
    data = pack([("a.x", b"1"), ("b.x", b"2" * 100)])
    places = IndexedPlaces(SHARD, index_of(SHARD, data))
    assert [place[0] for place in places.feed(data[:1600])] == ["a.x", "b.x"]
    with pytest.raises(TruncatedShardError, match=r"'b\.x' at byte 1600: 36 of 100 bytes are missing"):
        places.close()
