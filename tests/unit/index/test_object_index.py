"""The index: what goes in comes out, whole and in parts, in little memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from aistore.sdk import Client
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ArgumentTypeError, SampleIndexError
from aistorch.index.object_index import ObjectIndex

ODD_NAMES = [
    "a b",
    "100%",
    "a+b",
    "a#b",
    "a?b=c&d",
    "é/ü.jpg",
    "日本/語",
    "a//b",
    "%2F",
    "x" * 2000,
    " ",
    "🙂",
    "a\tb",
]

names_lists = st.lists(st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=20)), max_size=30)
rows = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=12)),
        st.integers(-1, 2**63 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(-1, 2),
        st.integers(0, 5),
    ),
    max_size=20,
)
Row = tuple[str, int, int, int, int]


def build(given_rows: list[Row], target_ids: tuple[str, ...] = ("t1", "t2", "t3")) -> ObjectIndex:
    columns = list(zip(*given_rows, strict=True)) or [()] * 5
    names, sizes, checksums, targets, sources = columns
    return ObjectIndex.from_names(
        list(names),
        sizes=np.array(sizes, dtype=np.int64),
        checksums=np.array(checksums, dtype=np.uint64),
        targets=np.array(targets, dtype=np.int16),
        sources=np.array(sources, dtype=np.int32),
        target_ids=target_ids,
    )


def read(index: ObjectIndex) -> list[tuple[str, int, int | None, str | None, int]]:
    return [
        (index.name(i), int(index.sizes[i]), index.checksum(i), index.target(i), int(index.sources[i]))
        for i in range(len(index))
    ]


def expected(given_rows: list[Row]) -> list[tuple[str, int, int | None, str | None, int]]:
    targets = {-1: None, 0: "t1", 1: "t2", 2: "t3"}
    return [(name, size, checksum or None, targets[t], source) for name, size, checksum, t, source in given_rows]


@given(rows)
def test_what_goes_in_comes_out(given_rows: list[Row]) -> None:
    index = build(given_rows)
    assert read(index) == expected(given_rows)
    assert index.names() == [row[0] for row in given_rows]


@given(names_lists, st.integers(-40, 40), st.one_of(st.none(), st.integers(-40, 40)))
def test_ranges_of_names(names: list[str], start: int, stop: int | None) -> None:
    index = ObjectIndex.from_names(names)
    assert index.names(start, stop) == names[start:stop]
    data, offsets = index.name_blob(start, stop)
    assert data == "".join(names[start:stop]).encode()
    assert offsets.tolist() == [0, *accumulate(len(name.encode()) for name in names[start:stop])]


@given(rows, st.data())
def test_take(given_rows: list[Row], data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.sampled_from(range(len(given_rows))), max_size=40) if given_rows else st.just([]))
    assert read(build(given_rows).take(positions)) == expected([given_rows[i] for i in positions])


def test_take_of_more_than_one_step() -> None:
    names = [f"{i:x}é"[: 1 + i % 9] for i in range(150_000)]
    index = ObjectIndex.from_names(names, sizes=range(len(names)))
    order = np.random.default_rng(7).permutation(len(names))
    taken = index.take(order)
    assert taken.names() == [names[i] for i in order.tolist()]
    assert taken.sizes.tolist() == order.tolist()


@given(rows, st.slices(20))
def test_slices(given_rows: list[Row], part: slice) -> None:
    assert read(build(given_rows)[part]) == expected(given_rows[part])


def test_a_slice_shares_memory() -> None:
    index = ObjectIndex.from_names([f"name-{i}" for i in range(100)], sizes=range(100))
    part = index[10:90]
    assert np.shares_memory(part.blob, index.blob)
    assert np.shares_memory(part.sizes, index.sizes)


@given(st.lists(rows, max_size=4))
def test_concat(parts: list[list[Row]]) -> None:
    whole = ObjectIndex.concat([build(part) for part in parts])
    assert read(whole) == expected([row for part in parts for row in part])


def test_concat_of_parts_with_other_targets() -> None:
    first = ObjectIndex.from_names(["a", "b"], targets=[0, -1], target_ids=["t1"])
    second = ObjectIndex.from_names(["c", "d", "e"], targets=[0, 1, -1], target_ids=["t2", "t1"])
    whole = ObjectIndex.concat([first, second])
    assert [whole.target(i) for i in range(5)] == ["t1", None, "t2", "t1", None]


@given(rows)
def test_pickle(given_rows: list[Row]) -> None:
    index = build(given_rows)
    for protocol in (2, 4, 5):
        copy = pickle.loads(pickle.dumps(index, protocol))
        assert copy == index
        assert not copy.sizes.flags.writeable


def test_foreign_objects_keep_their_place() -> None:
    bucket = Client("http://127.0.0.1:1").bucket("any")

    def names_of(index: ObjectIndex) -> dict[int, str]:
        return {position: obj.name for position, obj in index.foreign.items()}

    first = ObjectIndex.from_names(["a", "b", "c"], foreign={0: bucket.object("a"), 2: bucket.object("c")})
    whole = ObjectIndex.concat([first, ObjectIndex.from_names(["d"], foreign={0: bucket.object("d")})])
    assert names_of(whole) == {0: "a", 2: "c", 3: "d"}
    assert names_of(whole[1:]) == {1: "c", 2: "d"}
    assert names_of(whole.take([3, 1, 0, 0])) == {0: "d", 2: "a", 3: "a"}
    assert names_of(pickle.loads(pickle.dumps(whole))) == names_of(whole)


def test_equality() -> None:
    base = build([("a", 1, 2, 0, 0), ("b", 3, 4, 1, 1)])
    assert base == build([("a", 1, 2, 1, 0), ("b", 3, 4, 0, 1)], ("t2", "t1"))
    assert base == build([("a", 1, 2, 0, 0), ("b", 3, 4, 1, 1)], ("t1", "t2", "unused"))
    for changed in (
        ("A", 3, 4, 1, 1),
        ("b", 9, 4, 1, 1),
        ("b", 3, 9, 1, 1),
        ("b", 3, 4, 2, 1),
        ("b", 3, 4, 1, 9),
    ):
        assert base != build([("a", 1, 2, 0, 0), changed])
    assert base != build([("a", 1, 2, 0, 0)])
    assert base != "an index"


def test_the_fingerprint_is_that_of_names_sizes_sources_and_order() -> None:
    base = [("ab", 1, 2, 0, 0), ("c", 3, 4, 1, 1)]
    fingerprint = build(base).fingerprint()
    assert fingerprint == "cd4cc5c88874de375c2ac9064710014f"  # stored in checkpoints: it must never change
    for same in ([("ab", 1, 9, 0, 0), base[1]], [("ab", 1, 2, 2, 0), base[1]]):
        assert build(same).fingerprint() == fingerprint
    others = (
        [base[1], base[0]],
        base[:1],
        [("a", 1, 2, 0, 0), ("bc", 3, 4, 1, 1)],
        [("ab", 2, 2, 0, 0), base[1]],
    )
    for other in others:
        assert build(list(other)).fingerprint() != fingerprint
    longer = build([("x", 1, 1, 0, 0), *base, ("y", 1, 1, 0, 0)])
    assert longer[1:3].fingerprint() == longer.take([1, 2]).fingerprint() == fingerprint


def test_positions_outside() -> None:
    index = ObjectIndex.from_names(["a", "b", "c"])
    assert index.name(-1) == "c"
    for outside in (3, -4):
        with pytest.raises(SampleIndexError, match=f"index {outside} is outside a dataset of 3 objects"):
            index.name(outside)
    for positions in ([3], [0, -1]):
        with pytest.raises(SampleIndexError, match="outside an index of 3 objects"):
            index.take(positions)


def test_a_mask_is_a_mask() -> None:
    index = ObjectIndex.from_names(list("abcd"), sizes=range(4))
    for mask in ([True, False, False, True], np.array([True, False, False, True])):
        assert index.take(mask).names() == ["a", "d"]
    assert index.take([False] * 4).names() == index.take([]).names() == []
    for mask in ([True], [True] * 5):
        with pytest.raises(SampleIndexError, match=f"a mask of {len(mask)} truth values .* 4 objects"):
            index.take(mask)


@pytest.mark.parametrize("indices", [[0.0, 1.0], ["a"], np.array([1.5]), [None], [1, 1.5], "a"])
def test_positions_are_whole_numbers(indices: object) -> None:
    with pytest.raises(ArgumentTypeError, match="whole numbers or a boolean mask"):
        ObjectIndex.from_names(list("abcd")).take(indices)  # type: ignore[arg-type]


def test_positions_of_any_kind_of_whole_number() -> None:
    index = ObjectIndex.from_names(list("abcd"))
    for kind in (np.uint8, np.int32, np.uint64):
        assert index.take(np.array([3, 1], kind)).names() == ["d", "b"]
    with pytest.raises(SampleIndexError):
        index.take(np.array([1 << 63], np.uint64))


def test_one_object() -> None:
    index = ObjectIndex.from_names(
        ["a", "ü", "c"], sizes=[5, -1, 7], checksums=[0, 1 << 63, 3], targets=[0, -1, 0], target_ids=["t1"]
    )
    assert index[1] == index[-2] == index[np.int64(1)] == ("ü", -1, 1 << 63, None, 0)
    assert index[2]._asdict() == {"name": "c", "size": 7, "checksum": 3, "target": "t1", "source": 0}
    assert [index[number].name for number in range(3)] == ["a", "ü", "c"]
    with pytest.raises(SampleIndexError):
        index[3]
    for wrong in ("a", 1.0, None, [0]):
        with pytest.raises(ArgumentTypeError, match="take"):
            index[wrong]  # type: ignore[call-overload]


def test_nothing_can_be_changed() -> None:
    sizes = np.array([1, 2])
    index = ObjectIndex.from_names(["a", "b"], sizes=sizes)
    with pytest.raises(ValueError, match="read-only"):
        index.sizes[0] = 5
    with pytest.raises(AttributeError):
        index.sizes = sizes  # type: ignore[misc]
    sizes[0] = 3  # the caller's own array is left as it was


def test_a_million_objects_take_at_most_100_bytes_each() -> None:
    count, page = 1_000_000, 10_000

    def pages() -> Iterator[ObjectIndex]:
        for first in range(0, count, page):
            names = [f"train/class-0042/{i:09d}.png" for i in range(first, first + page)]
            assert len(names[0]) == 30
            yield ObjectIndex.from_names(names, sizes=range(page), checksums=range(page), targets=[0] * page)

    index = ObjectIndex.concat(list(pages()))
    assert len(index) == count
    assert index.nbytes <= 100 * count
    assert len(pickle.dumps(index)) <= index.nbytes + 2000
    assert index.name(987_654) == "train/class-0042/000987654.png"


@pytest.mark.parametrize("count", [32_767, 32_768, 32_769, 70_000])
def test_there_may_be_more_targets_than_a_short_number_can_count(count: int, tmp_path: Path) -> None:
    ids = [f"t{number}" for number in range(count)]
    url = ["ais://bck/"]
    whole = ObjectIndex.from_names(ids, targets=range(count), target_ids=ids, source_urls=url)
    assert [whole.target(place) for place in (0, count - 1)] == ["t0", f"t{count - 1}"]
    half = count // 2
    parts = [
        ObjectIndex.from_names(each, targets=range(len(each)), target_ids=each, source_urls=url)
        for each in (ids[:half], ids[half:])
    ]
    joined = ObjectIndex.concat(parts)
    assert joined == whole
    assert joined.target(count - 1) == f"t{count - 1}"
    joined.save(tmp_path / "many.index")
    assert ObjectIndex.load(tmp_path / "many.index") == whole
