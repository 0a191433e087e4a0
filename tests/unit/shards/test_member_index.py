"""The index of a shard, held against the archive it is of."""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch import MemberIndex
from aistorch.errors import DuplicateMemberError, SampleIndexError, ShardIndexError
from aistorch.shards.grouping import split_name
from aistorch.shards.index_form import packed

SHARD = "ais://b/s.tar"

ENTRIES = [("d/a.jpg", 512, 10), ("d/a.seg.png", 1536, 0), ("README", 2560, 5), ("b.jpg", 3584, 7), ("b.cls", 4608, 1)]

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="./\0"), min_size=1, max_size=6)
KEYS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
EXTENSIONS = st.lists(WORDS, min_size=1, max_size=2).map(".".join)
NAMES = st.tuples(KEYS, EXTENSIONS).map(".".join) | KEYS
ARCHIVES = st.dictionaries(NAMES, st.binary(max_size=600), max_size=12)


def archive_of(contents: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def entries_of(archive: bytes) -> list[tuple[str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [(info.name, info.offset_data, info.size) for info in tar]


def example() -> MemberIndex:
    return MemberIndex.from_entries(ENTRIES, 10240, 77)


@given(ARCHIVES)
def test_it_leads_to_the_content_of_every_file_of_every_sample(contents: dict[str, bytes]) -> None:
    archive = archive_of(contents)
    index = MemberIndex.from_entries(entries_of(archive), len(archive), 7)
    expected: dict[str, dict[str, bytes]] = {}
    for name, content in contents.items():
        if (split := split_name(name)) is not None:
            expected.setdefault(split[0], {})[split[1]] = content
    found = []
    for number in range(len(index)):
        key, files = index.sample(number)
        begin, end = index.span(number)
        window = archive[begin:end]
        found.append((key, {extension: window[at - begin : at - begin + size] for extension, at, size in files}))
    assert found == list(expected.items())
    assert [list(files) for _, files in found] == [list(files) for files in expected.values()]
    assert index.keys() == list(expected)
    assert index.extensions == tuple(dict.fromkeys(extension for files in expected.values() for extension in files))


@given(ARCHIVES)
def test_what_was_stored_comes_back(contents: dict[str, bytes]) -> None:
    archive = archive_of(contents)
    index = MemberIndex.from_entries(entries_of(archive), len(archive), 2**64 - 1)
    for copy in (MemberIndex.from_bytes(index.to_bytes(), SHARD), pickle.loads(pickle.dumps(index))):
        assert copy == index
        assert (copy.shard_size, copy.shard_checksum) == (len(archive), 2**64 - 1)
        assert [copy.sample(number) for number in range(len(copy))] == [index.sample(n) for n in range(len(index))]


def test_files_of_a_sample_are_found_wherever_they_stand() -> None:
    index = MemberIndex.from_entries([("a.jpg", 512, 3), ("b.jpg", 1536, 4), ("a.cls", 2560, 5)], 4096)
    assert index.sample(0) == ("a", [("jpg", 512, 3), ("cls", 2560, 5)])
    assert index.span(0) == (512, 2565)
    assert index.sample(1) == ("b", [("jpg", 1536, 4)])


def test_a_range_ends_where_the_last_content_does_in_whatever_order_they_stand() -> None:
    index = MemberIndex.from_entries([("a.z", 2560, 100), ("a.b", 512, 10)], 4096)
    assert index.span(0) == (512, 2660)


def test_files_without_an_extension_are_left_out() -> None:
    assert example().keys() == ["d/a", "b"]
    assert example().extensions == ("jpg", "seg.png", "cls")
    assert example().firsts.tolist() == [0, 2, 4]


def test_equal_content_makes_equal_bytes_and_other_content_another_index() -> None:
    assert example().to_bytes() == example().to_bytes()
    others = [
        MemberIndex.from_entries(ENTRIES[:-1], 10240, 77),
        MemberIndex.from_entries(ENTRIES, 10241, 77),
        MemberIndex.from_entries(ENTRIES, 10240, 78),
        MemberIndex.from_entries([*ENTRIES[:-1], ("b.cls", 4608, 2)], 10240, 77),
        MemberIndex.from_entries([*ENTRIES[:-1], ("c.cls", 4608, 1)], 10240, 77),
    ]
    assert all(other != example() for other in others)
    assert example() != "an index"


def test_a_name_that_is_no_utf8_survives() -> None:
    name = b"a\xff.jpg".decode("utf-8", "surrogateescape")
    index = MemberIndex.from_bytes(MemberIndex.from_entries([(name, 512, 1)], 2048).to_bytes(), SHARD)
    assert index.sample(0)[0].encode("utf-8", "surrogateescape") == b"a\xff"


def test_numbers_from_the_end_and_beyond() -> None:
    index = example()
    assert index.sample(-1) == index.sample(1) == ("b", [("jpg", 3584, 7), ("cls", 4608, 1)])
    for number in (2, -3):
        with pytest.raises(SampleIndexError, match=f"index {number} is outside a shard of 2 samples"):
            index.sample(number)
        with pytest.raises(SampleIndexError):
            index.span(number)


def test_it_cannot_be_changed() -> None:
    for column in ("blob", "name_offsets", "offsets", "sizes", "firsts"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(example(), column)[0] = 1


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(DuplicateMemberError) as raised:
        MemberIndex.from_entries([("a.jpg", 512, 1), ("a.jpg", 1536, 1)], 4096, shard=SHARD)
    assert (raised.value.shard, raised.value.member, raised.value.offset) == (SHARD, "a.jpg", 1536)


@pytest.mark.parametrize("data", [b"", b"no index", b"PK\x03\x04", archive_of({"a.b": b"c"})])
def test_what_is_no_index_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ShardIndexError, match=r"ais://b/s\.tar\.idx cannot be used: .* no index"):
        MemberIndex.from_bytes(data, SHARD)


def test_a_damaged_index_is_refused_and_never_wrong() -> None:
    index, data = example(), example().to_bytes()
    for position in range(len(data)):
        for damaged in (data[:position], data[:position] + bytes([data[position] ^ 0x41]) + data[position + 1 :]):
            try:
                found = MemberIndex.from_bytes(damaged, SHARD)
            except ShardIndexError:
                continue
            assert found == index, position


def altered(**columns: Any) -> bytes:
    """A stored index with some of its columns replaced, and the right digest."""
    return replace(example(), **columns).to_bytes()


def test_a_later_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(ShardIndexError, match=r"has version 2, and this aistorch reads up to 1\. Update aistorch"):
        MemberIndex.from_bytes(packed((1, 2), [np.zeros(0, np.int64)] * 4, np.zeros(0, np.uint8), version=2), SHARD)


@pytest.mark.parametrize(
    "arrays",
    [
        {"sizes": np.array([1, 2, 3], dtype=np.int64)},
        {"sizes": np.array([1, 2, 3, -4], dtype=np.int64)},
        {"offsets": np.array([1, 2, 3, -4], dtype=np.int64)},
        {"firsts": np.array([0], dtype=np.int64)},
        {"firsts": np.array([0, 4, 2, 4], dtype=np.int64)},
        {"firsts": np.array([0, 2, 5], dtype=np.int64)},
        {"name_offsets": np.array([0, 4], dtype=np.uint32)},
    ],
    ids=lambda arrays: "-".join(
        f"{name}-{getattr(column, 'shape', '')}-{getattr(column, 'dtype', '')}" for name, column in arrays.items()
    ),
)
def test_columns_that_do_not_fit_are_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(ShardIndexError):
        MemberIndex.from_bytes(altered(**arrays), SHARD)
