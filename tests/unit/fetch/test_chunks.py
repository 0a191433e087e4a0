"""Objects as streams of chunks, from nodes that do as they are told: each byte once, in order, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest
import xxhash
from aistore.sdk import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.config import ReadConfig
from aistorch.errors import ChecksumError, ReadError
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import Chunk, Extent, stream_chunks
from aistorch.fetch.pool import engines
from aistorch.fetch.reader import Reader
from aistorch.index.object_index import ObjectIndex
from tests.support.node_engine import QUICK, content_of, name_of, serve
from tests.support.replies import cluster_map, plain
from tests.support.scripted_node import Asked, ScriptedNode, answering

CHUNK = 1000
sizes = st.sampled_from([0, 1, 999, 1000, 1001, 2000, 5500])
bounds = st.integers(0, 6000)


def alone(asked: Asked) -> bytes:
    """A proxy that serves all objects itself and knows no targets."""
    return cluster_map({}) if asked.wants_map else serve(asked)


@pytest.fixture(scope="module")
def proxy() -> Iterator[ScriptedNode]:
    engines.clear()
    with ScriptedNode(answering(alone)) as node:
        yield node
    engines.clear()


def reader_for(node: ScriptedNode, **config: object) -> Reader:
    return Reader([Client(node.url).bucket("bck")], ReadConfig(retry=QUICK, **config))  # type: ignore[arg-type]


def index_of(listed: Sequence[int], sized: bool = True) -> ObjectIndex:
    names = [name_of(number, size) for number, size in enumerate(listed)]
    return ObjectIndex.from_names(names, sizes=list(listed) if sized else -1)


def taken(chunks: Iterator[Chunk], pool: BufferPool | None) -> list[tuple[int, bytes, bool]]:
    """Number, content and end of chunks, whose memory is used for something else afterwards."""
    found = []
    for number, content, last, buffer, *_ in chunks:
        found.append((number, bytes(content), last))
        if buffer is not None and pool is not None:
            buffer[:] = b"\xff" * len(buffer)
            pool.give_back(buffer)
    return found


@settings(max_examples=60)
@given(
    listed=st.lists(sizes, min_size=1, max_size=5),
    wanted=st.lists(st.tuples(st.integers(0, 4), bounds, st.one_of(st.none(), bounds)), max_size=8),
    pooled=st.booleans(),
    sized=st.booleans(),
    in_flight=st.sampled_from([None, 1, 3]),
    budget=st.sampled_from([1, 3000, 1 << 26]),
)
def test_extents_come_in_order_in_chunks(
    proxy: ScriptedNode,
    listed: list[int],
    wanted: list[tuple[int, int, int | None]],
    pooled: bool,
    sized: bool,
    in_flight: int | None,
    budget: int,
) -> None:
    extents = [Extent(position % len(listed), start, stop) for position, start, stop in wanted]
    pool = BufferPool(CHUNK) if pooled else None
    reader, index = reader_for(proxy, in_flight=in_flight, budget=budget), index_of(listed, sized)
    found = taken(stream_chunks(reader, index, iter(extents), CHUNK, pool), pool)
    together = {
        number: (b"".join(content for _, content, _ in own), [last for _, _, last in own])
        for number, group in groupby(found, key=lambda chunk: chunk[0])
        if (own := list(group))
    }
    assert list(together) == sorted(together)
    for number, (position, start, stop) in enumerate(extents):
        expected = content_of(name_of(position, listed[position]))[start:stop]
        content, lasts = together.get(number, (b"", [True]))
        assert content == expected
        assert lasts == [False] * (len(lasts) - 1) + [True]
        assert not sized or len(lasts) <= max(1, -(-len(expected) // CHUNK))
        if start == 0 and stop is None:
            assert number in together  # of an empty object, too


# what is checked

SIZE = 5500
BODY = content_of(name_of(0, SIZE))
OTHER = bytes(SIZE)


def ranged(asked: Asked, body: bytes, announced: str) -> bytes:
    first, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
    start, stop = int(first), int(last) + 1
    return plain(
        206,
        body[start:stop],
        "Ais-Checksum-Type: xxhash2",
        f"Ais-Checksum-Value: {announced}",
        f"Content-Range: bytes {start}-{stop - 1}/{SIZE}",
    )


def start_of(asked: Asked) -> int:
    return int(asked.headers["range"].removeprefix("bytes=").partition("-")[0])


def read(node: ScriptedNode, *extents: Extent, verify: bool = True) -> list[bytes]:
    engines.clear()
    reader = reader_for(node, in_flight=1, verify=verify)
    found = []
    for chunk in stream_chunks(reader, index_of([SIZE]), extents or [Extent(0)], CHUNK):
        found.append(bytes(chunk.content))
    return found


def test_the_whole_is_held_against_its_checksum_at_its_end() -> None:
    def damaged(asked: Asked) -> bytes:
        body = BODY if start_of(asked) != 2000 else bytes([BODY[2000] ^ 1]) + BODY[2001:]
        body = BODY[:2000] + body if len(body) < SIZE else body
        return ranged(asked, body, xxhash.xxh64_hexdigest(BODY))

    with ScriptedNode(answering(lambda asked: cluster_map({}) if asked.wants_map else damaged(asked))) as node:
        with pytest.raises(ChecksumError, match=rf"ais://bck/{name_of(0, SIZE)} arrived damaged.*the part before"):
            read(node)
        # Of a part, no checksum is known.
        assert len(b"".join(read(node, Extent(0, 1000)))) == SIZE - 1000
        assert len(b"".join(read(node, verify=False))) == SIZE


def test_where_each_range_has_a_checksum_each_is_checked() -> None:
    asked_for: list[int] = []

    def each(asked: Asked) -> bytes:
        start = start_of(asked)
        asked_for.append(start)
        part = BODY[start : start + CHUNK]
        body = BODY if start != 3000 else BODY[:3000] + bytes(CHUNK) + BODY[4000:]
        return ranged(asked, body, xxhash.xxh64_hexdigest(part))

    with ScriptedNode(answering(lambda asked: cluster_map({}) if asked.wants_map else each(asked))) as node:
        found: list[bytes] = []
        engines.clear()
        chunks = stream_chunks(reader_for(node, in_flight=1), index_of([SIZE]), [Extent(0)], CHUNK)
        with pytest.raises(ChecksumError):
            found.extend(bytes(chunk.content) for chunk in chunks)
        assert b"".join(found) == BODY[:3000]
        assert b"".join(read(node, Extent(0, 0, 3000))) == BODY[:3000]


def test_a_replaced_object_is_an_error() -> None:
    def replaced(asked: Asked) -> bytes:
        body = BODY if start_of(asked) < 3000 else OTHER
        return ranged(asked, body, xxhash.xxh64_hexdigest(body))

    with ScriptedNode(answering(lambda asked: cluster_map({}) if asked.wants_map else replaced(asked))) as node:
        for extents in ((), (Extent(0, 1000),)):
            for verify in (True, False):
                with pytest.raises(ReadError, match="was replaced"):
                    read(node, *extents, verify=verify)
        assert b"".join(read(node, Extent(0, 3000, 5000))) == OTHER[:2000]
