"""Indices with a right digest that say wrong things: refused by their name, or found out by the headers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ShardIndexError
from aistorch.shards.facts import Facts
from aistorch.shards.index_form import packed
from aistorch.shards.indexed_places import IndexedPlaces
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.sample_ranges import SampleRanges
from aistorch.shards.tar import TarHeaders
from tests.support.shards import files_of, index_of
from tests.support.tars import pack

SHARD = "ais://b/s.tar"
FILES = files_of("s", 20)
DATA = pack(FILES)
RIGHT = index_of(SHARD, DATA)
NUMBERS = st.sampled_from([0, 1, 511, 512, 513, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
COLUMNS = (RIGHT.name_offsets[1:], RIGHT.offsets, RIGHT.sizes, RIGHT.firsts[1:])


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """The right index with some numbers of some column replaced, or its names swapped or spoilt."""
    columns = [column.astype(np.uint64) for column in COLUMNS]
    blob = bytearray(RIGHT.blob.tobytes())
    for _ in range(draw(st.integers(1, 3))):
        what = draw(st.integers(0, 6))
        if what < 4:
            at = draw(st.integers(0, len(columns[what]) - 1))
            number = draw(NUMBERS | st.integers(0, len(DATA)))
            columns[what][at] = number
        elif what == 4:
            columns[1] = columns[1] + np.uint64(draw(st.sampled_from([1, 512, 1024, 1 << 40])))
        elif what == 5:
            at = draw(st.integers(0, len(blob) - 1))
            blob[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        else:
            size = int(RIGHT.name_offsets[1])
            blob[:size], blob[size : 2 * size] = blob[size : 2 * size], blob[:size]
    size = draw(st.sampled_from([len(DATA), 0, 1 << 63, (1 << 64) - 1]))
    return packed((size, RIGHT.shard_checksum), columns, np.frombuffer(bytes(blob), np.uint8))


@given(forged())
def test_a_forged_index_is_refused_or_found_out(data: bytes) -> None:
    try:
        index = MemberIndex.from_bytes(data, SHARD)
    except ShardIndexError:
        return
    assert len(Facts.of_index(index).extensions) == len(index.extensions)
    if index.is_in_order:
        assert list(IndexedPlaces(SHARD, index).feed(DATA)) == list(TarHeaders(SHARD).feed(DATA))
    contents = dict(FILES)
    for number in range(len(index)):
        ranges = SampleRanges.of(index, number)
        found = ranges.cut([DATA[start:stop] for start, stop in ranges.spans], SHARD, {})
        assert found is None or all(contents[f"{ranges.key}.{each}"] == body for each, body in found.items())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (np.array([0, 1024, 2560], "<u8").tobytes(), "an index of Megatron Energon"),
        (b"v1.2 3\njpg 512 100 a.jpg\n", "an index of DALI"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "it is a JPEG, and no index"),
        (b"PK\x03\x04" + bytes(100), "it is a zip, and no index"),
    ],
)
def test_what_other_programs_leave_there_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(ShardIndexError, match=kind):
        MemberIndex.from_bytes(data, SHARD)
