"""From bytes to samples: any piece of a shard, cut anywhere, held against a slow reader of whole shards."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ScatteredSampleError
from aistorch.order.shards import Piece
from aistorch.shards.facts import Facts
from aistorch.shards.files import FileStream
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.pieces import is_empty
from aistorch.shards.stream import ShardStream
from aistorch.shards.tar import TarStream
from aistorch.shards.tar_contents import Files as Columns
from tests.support.shard_strategies import cuts, shards
from tests.support.shards import Files, grouped, index_of, read_slowly
from tests.support.tars import pack

SHARD = "ais://bucket/shard.tar"
pieces = st.builds(Piece, st.just(0), st.integers(0, 6), st.integers(1, 3), st.one_of(st.none(), st.integers(0, 9)))


def fed(stream: Any, data: bytes, at: list[int]) -> Iterator[Any]:
    """What a stream makes of data, cut there; the memory of each part is used for something else afterwards."""
    tar = TarStream(SHARD)
    bounds = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    for start, stop in pairwise(bounds):
        memory = bytearray(data[start:stop])
        found = stream.take(Columns.of(tar.feed(memoryview(memory))))
        memory[:] = b"\xff" * len(memory)
        yield from found
    yield from stream.close()


def stream_of(piece: Piece, known: dict[str, None], facts: Facts | None, **options: Any) -> ShardStream:
    options = {"declared": False, "ask": lambda: None, "group": "adjacent", **options}
    return ShardStream(SHARD, piece, known, facts=facts, **options)


@given(shards(), pieces, cuts, st.booleans(), st.sampled_from(["adjacent", "shard"]))
def test_any_piece_cut_anywhere(files: Files, piece: Piece, at: list[int], end: bool, group: str) -> None:
    facts = Facts.of_names([name for name, _ in files])
    known = {"seen": None}
    stream = stream_of(piece, known, facts, group=group)
    expected = read_slowly([files], ["seen"])
    assert facts.samples == len(expected)
    assert (
        grouped(fed(stream, pack(files, end=end or not files), at)) == expected[piece.first : piece.stop : piece.step]
    )
    assert list(known) == ["seen", *(extension for extension in facts.extensions if extension != "seen")]


@given(shards(), pieces, cuts)
def test_a_range_of_bytes_that_an_index_tells(files: Files, piece: Piece, at: list[int]) -> None:
    data = pack(files)
    index = index_of(SHARD, data)
    if not 0 < piece.first < len(index):
        return
    begin = -(-index.span(piece.first - 1)[1] // 512) * 512
    stream = stream_of(piece, {}, Facts.of_index(index), first=piece.first)
    assert grouped(fed(stream, data[begin:], at)) == read_slowly([files])[piece.first : piece.stop : piece.step]


@given(shards(), cuts, st.booleans())
def test_declared_extensions_and_names_that_need_the_whole_shard(files: Files, at: list[int], tells: bool) -> None:
    facts = Facts.of_names([name for name, _ in files])
    declared = dict.fromkeys(["y", "z"])
    stream = stream_of(Piece(0), declared, None, declared=True, ask=lambda: facts if tells else None)
    found = grouped(fed(stream, pack(files), at))
    expected = read_slowly([files])
    assert [{key: body for key, body in own.items() if body} for _, own in found] == [
        {key: body for key, body in own.items() if body} for _, own in expected
    ]
    assert list(declared) == ["y", "z"]
    assert all(own.keys() >= {"y", "z"} for _, own in found)
    if tells or not any("/" in name for name, _ in files):
        assert [name for name, _ in found] == [name for name, _ in expected]


@given(shards(), st.integers(0, 9), st.one_of(st.none(), st.integers(0, 12)), cuts)
def test_files_of_any_range(files: Files, first: int, stop: int | None, at: list[int]) -> None:
    found = list(fed(FileStream(Piece(0, first, 1, stop)), pack(files), at))
    assert found == files[first:stop]


def test_what_nobody_foresaw_is_seen_from_then_on() -> None:
    # As if the shard had been replaced since it was listed.
    known: dict[str, None] = {}
    stream = stream_of(Piece(0), known, Facts(("x",), by_key=False, samples=3))
    found = grouped(fed(stream, pack([("a.x", b"1"), ("b.y", b"2"), ("c.x", b"3")]), []))
    assert found == [("a", {"x": b"1"}), ("b", {"x": b"", "y": b"2"}), ("c", {"x": b"3", "y": b""})]


def test_what_stands_behind_a_piece_is_not_looked_at() -> None:
    scattered = pack([("a.x", b"1"), ("b.x", b"2"), ("c.x", b"3"), ("a.y", b"4")])
    facts = Facts((), by_key=False, samples=0)
    with pytest.raises(ScatteredSampleError, match=SHARD):
        list(fed(stream_of(Piece(0), {}, facts), scattered, [100, 2000]))
    assert len(list(fed(stream_of(Piece(0, 0, 1, 2), {}, facts), scattered, [1024, 2048, 3072]))) == 2


@given(shards())
def test_facts_of_names_and_of_an_index_agree(files: Files) -> None:
    of_names = Facts.of_names([name for name, _ in files])
    of_index = Facts.of_index(index_of(SHARD, pack(files)))
    assert of_index == of_names._replace(files=-1)


def test_an_index_in_order() -> None:
    adjacent: Files = [("a.x", b""), ("a.y", b"1"), ("no-sample", b""), ("b.x", b""), ("c.x", b"2")]
    assert index_of(SHARD, pack(adjacent)).is_in_order
    assert MemberIndex.from_entries([], 0).is_in_order
    assert MemberIndex.from_entries([("a.x", 512, 1024), ("b.x", 1536, 1)], 4096).is_in_order
    for size in (1025, (1 << 63) - 1):  # what lies in another file is no place of one
        assert not MemberIndex.from_entries([("a.x", 512, size), ("b.x", 1536, 1)], 4096).is_in_order
    assert not index_of(SHARD, pack([("a.x", b"1"), ("b.x", b"2"), ("a.y", b"3")])).is_in_order
    assert [is_empty(Piece(0, first, 1, stop)) for first, stop in ((0, None), (3, 4), (4, 4), (5, 4))] == [0, 0, 1, 1]
