"""Files to samples, held against webdataset's rule and the SDK's plugin."""

from __future__ import annotations

import re
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import DuplicateMemberError, InvalidArgumentError, ScatteredSampleError
from aistorch.shards.grouping import Grouper, Sample, split_name
from aistorch.shards.tar_contents import File, Files

SHARD = "ais://b/s.tar"

parts = st.text("ab./é ", max_size=12)
keys = st.sampled_from(["1", "2", "a/1", "b/1", "b.c/1", "a/b/2", "12"])
extensions = st.sampled_from(["jpg", "seg.png", "cls", "JPG", ""])


def files(*names: str) -> list[File]:
    return [(name, name.encode(), 512 * number) for number, name in enumerate(names)]


def grouped(found: list[File], group: str = "adjacent", size: int = 1000) -> list[Sample]:
    grouper = Grouper(SHARD, group)  # type: ignore[arg-type]
    samples = [sample for at in range(0, len(found), size) for sample in grouper.feed(Files.of(found[at : at + size]))]
    return samples + grouper.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("001.jpg", ("001", "jpg")),
        ("001.seg.png", ("001", "seg.png")),
        ("a/b/001.jpg", ("a/b/001", "jpg")),
        ("a.b/001.jpg", ("a.b/001", "jpg")),
        ("a.b/c.d/001.seg.png", ("a.b/c.d/001", "seg.png")),
        ("001.JPG", ("001", "JPG")),
        ("001.", ("001", "")),
        ("001", None),
        ("a.b/001", None),
        (".hidden", None),
        ("a/.DS_Store", None),
        ("a/._001.jpg", None),
        ("a.b/", None),
        ("", None),
    ],
)
def test_a_name_is_divided_at_the_first_dot_of_its_last_part(name: str, expected: tuple[str, str] | None) -> None:
    assert split_name(name) == expected


@given(parts)
def test_names_are_divided_as_by_webdataset(name: str) -> None:
    tariterators = pytest.importorskip("webdataset.tariterators")
    if re.search(r"(^|/)\.[^/]*$", name):
        assert split_name(name) is None  # webdataset takes a/.DS_Store for the file "DS_Store" of a sample "a/"
    else:
        assert (split_name(name) or (None, None)) == tariterators.base_plus_ext(name)


def test_key_and_extension_are_the_plugins_where_that_is_right() -> None:
    utils = pytest.importorskip("aistore.pytorch.utils")
    for name in ("001.jpg", "a/b/001.cls", "train/x-1.json"):
        key, extension = split_name(name) or ("", "")
        assert (key.rpartition("/")[2], extension) == (utils.get_basename(name), utils.get_extension(name))


@given(
    st.lists(st.tuples(keys, st.lists(extensions, min_size=1, max_size=3, unique=True)), max_size=9),
    st.lists(st.sampled_from(["3", "4", "d/5", "d.x/6", "7"]), unique=True),
    st.lists(extensions, min_size=1, max_size=3, unique=True),
    st.integers(1, 12),
)
def test_samples_that_are_made_alike_are_those_that_come_one_by_one(
    odd: list[tuple[str, list[str]]], alike: list[str], same: list[str], size: int
) -> None:
    samples = [(f"{key}-", same) for key in alike] + odd + [(key, same) for key in alike]
    found = files(*(f"{key}.{extension}" for key, own in samples for extension in own))
    assert outcome(found, size) == outcome(found, 1000) == outcome(found, 1)


def outcome(found: list[File], size: int) -> list[Sample] | str:
    try:
        return grouped(found, size=size)
    except (ScatteredSampleError, DuplicateMemberError) as error:
        return f"{type(error).__name__}: {error}"


def test_files_side_by_side_make_a_sample() -> None:
    found = files("a/1.jpg", "a/1.cls", "a/1.seg.png", "b/1.jpg", "b/1.cls", "b/10.jpg", "b/1x/1.jpg")
    assert grouped(found) == [
        ("a/1", {"jpg": b"a/1.jpg", "cls": b"a/1.cls", "seg.png": b"a/1.seg.png"}),
        ("b/1", {"jpg": b"b/1.jpg", "cls": b"b/1.cls"}),
        ("b/10", {"jpg": b"b/10.jpg"}),
        ("b/1x/1", {"jpg": b"b/1x/1.jpg"}),
    ]


def test_a_folder_that_is_called_like_a_sample_is_another_one() -> None:
    assert grouped(files("a.jpg", "a.d/b.jpg", "c.jpg")) == [
        ("a", {"jpg": b"a.jpg"}),
        ("a.d/b", {"jpg": b"a.d/b.jpg"}),
        ("c", {"jpg": b"c.jpg"}),
    ]


def test_a_sample_is_complete_when_the_next_one_begins() -> None:
    grouper = Grouper(SHARD)
    assert grouper.feed(Files.of(files("1.a", "1.b"))) == []
    assert grouper.feed(Files.of(files("1.c", "2.a"))) == [("1", {"a": b"1.a", "b": b"1.b", "c": b"1.c"})]
    assert grouper.feed(Files.of([])) == []
    assert grouper.close() == [("2", {"a": b"2.a"})]
    assert grouper.close() == []


@pytest.mark.parametrize("group", ["adjacent", "shard"])
def test_files_of_no_sample_are_left_out_and_divide_none(group: str) -> None:
    assert grouped(files("README", "1.a", ".DS_Store", "d/._1.b", "1.b", "LICENSE"), group) == [
        ("1", {"a": b"1.a", "b": b"1.b"})
    ]


def test_a_sample_that_goes_on_later_is_an_error_that_says_what_to_do() -> None:
    for size in (1, 1000):
        with pytest.raises(ScatteredSampleError, match="group='shard'") as raised:
            grouped(files("a/1.jpg", "a/2.jpg", "a/1.cls"), size=size)
        assert (raised.value.shard, raised.value.member, raised.value.offset) == (SHARD, "a/1.cls", 1024)
        assert "'a/1'" in str(raised.value)


def test_scattered_files_are_put_together_when_asked() -> None:
    found = files("2.jpg", "1.jpg", "1.cls", "2.cls")
    for size in (1, 1000):
        assert grouped(found, "shard", size) == [
            ("2", {"jpg": b"2.jpg", "cls": b"2.cls"}),
            ("1", {"jpg": b"1.jpg", "cls": b"1.cls"}),
        ]


@pytest.mark.parametrize("group", ["adjacent", "shard"])
@pytest.mark.parametrize("names", [("1.a", "1.a"), ("1.a", "1.b", "1.a"), ("x/1.a", "x/1.b", "x/1.b", "x/2.b")])
def test_two_files_of_the_same_name_are_an_error(group: str, names: tuple[str, ...]) -> None:
    with pytest.raises(DuplicateMemberError) as raised:
        grouped(files(*names), group)
    assert raised.value.shard == SHARD
    assert names.index(raised.value.member) != raised.value.offset // 512  # type: ignore[operator]


def test_an_unknown_way_of_grouping_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'nearby'"):
        Grouper(SHARD, "nearby")  # type: ignore[arg-type]


@given(st.lists(st.tuples(keys, extensions), unique=True, max_size=20), st.integers(1, 7))
def test_grouping_by_any_pieces(pairs: list[tuple[str, str]], size: int) -> None:
    found = files(*(f"{key}.{extension}" for key, extension in pairs))
    wanted: dict[str, dict[str, bytes]] = {}
    for (key, extension), (_, content, _) in zip(pairs, found, strict=True):
        wanted.setdefault(key, {})[extension] = content
    assert grouped(found, "shard", size) == list(wanted.items())
    runs = [key for key, _ in groupby(pairs, key=lambda pair: pair[0])]
    if len(set(runs)) == len(runs):
        assert grouped(found, "adjacent", size) == list(wanted.items())
    else:
        with pytest.raises(ScatteredSampleError):
            grouped(found, "adjacent", size)
