"""A saved index: what was saved is loaded, anything else is refused by name, and no code in a file is run."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from aistore.sdk import Client
from hypothesis import given
from hypothesis import strategies as st

from aistorch import ObjectIndex
from aistorch.errors import IndexFileError, InvalidArgumentError
from aistorch.index.index_file import VERSION
from tests.unit.index.test_object_index import ODD_NAMES, build, rows

URLS = ("ais://b/", "ais://b/é 1/", "gcp://@u#n/c/", "ais://d/", "ais://d/", "s3://\nq/")
INDEX = ObjectIndex.from_names(
    ODD_NAMES, sizes=range(13), checksums=7, targets=[0, 1, -1] * 4 + [0], target_ids=["t1", "t2"], source_urls=URLS
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.index"


@pytest.fixture
def saved(path: Path) -> bytes:
    INDEX.save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@given(rows)
def test_what_was_saved_is_loaded(folder: Path, given_rows: Any) -> None:
    index = build(given_rows)
    index = replace(index, source_urls=URLS)
    index.save(folder / "i")
    loaded = ObjectIndex.load(str(folder / "i"))
    assert loaded == index
    assert (loaded.source_urls, loaded.target_ids) == (index.source_urls, index.target_ids)
    assert loaded.fingerprint() == index.fingerprint()
    assert loaded.names() == index.names()
    assert all(mine.dtype == other.dtype for mine, other in zip(columns(loaded), columns(index), strict=True))
    assert pickle.loads(pickle.dumps(loaded)) == index
    assert os.listdir(folder) == ["i"]


def columns(index: ObjectIndex) -> list[Any]:
    return [index.blob, index.offsets, index.sizes, index.checksums, index.targets, index.sources]


@pytest.mark.parametrize("part", [slice(0, 0), slice(3, 9), slice(None, None, -2)])
def test_a_part_of_an_index_is_one_too(path: Path, part: slice) -> None:
    INDEX[part].save(path)
    loaded = ObjectIndex.load(path)
    assert loaded == INDEX[part]
    for other in (loaded, INDEX.take([1, 1]), ObjectIndex.concat([loaded, INDEX])):
        assert other.source_urls == URLS
    assert ObjectIndex.concat([INDEX, build([])]).source_urls == ()


def test_columns_are_mapped_not_copied(path: Path, saved: bytes) -> None:
    loaded = ObjectIndex.load(path)
    for column in columns(loaded):
        assert type(column) is np.ndarray
        assert not column.flags.writeable
        while isinstance(column.base, np.ndarray):
            column = column.base
        assert "mmap" in type(column.base).__name__


def test_a_file_may_be_replaced_while_it_is_used(path: Path, saved: bytes) -> None:
    loaded = ObjectIndex.load(path)
    loaded[:2].save(path)
    assert loaded == INDEX
    assert ObjectIndex.load(path) == INDEX[:2]


# what is refused


def test_each_changed_byte_and_each_missing_one_is_noticed(path: Path, saved: bytes) -> None:
    for position in range(len(saved)):
        for damaged in (saved[:position], changed(saved, position)):
            path.write_bytes(damaged)
            with pytest.raises(IndexFileError) as raised:
                ObjectIndex.load(path)
            assert raised.value.path == str(path)
    path.write_bytes(saved + b"\0")
    with pytest.raises(IndexFileError, match=rf"{len(saved) + 1} bytes instead of {len(saved)}\. Save"):
        ObjectIndex.load(path)


def changed(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}", pickle.dumps([1]), b"PK\x03\x04" + bytes(99), b"aistorch index x\n"]
)
def test_other_files_are_none(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(IndexFileError, match=r"train\.index cannot be used: it is no saved index.*ObjectIndex\.save"):
        ObjectIndex.load(path)


def test_a_later_version(path: Path, saved: bytes) -> None:
    path.write_bytes(saved.replace(b"index %d\n" % VERSION, b"index %d\n" % (VERSION + 1), 1))
    with pytest.raises(IndexFileError, match=rf"version {VERSION + 1}.*up to {VERSION}\. Update aistorch"):
        ObjectIndex.load(path)


GOOD = {"objects": 0, "name_bytes": 0, "source_urls": [], "target_ids": []}


WRONG: list[dict[str, Any]] = [{"objects": wrong} for wrong in (-1, "1", None, 1.0)]
WRONG += [{"name_bytes": -2}, {"source_urls": None}, {"source_urls": 3}, {"target_ids": [1]}]
BAD_HEADERS = [b"", b"[]", b"{}", b"\xff", b"{", *(json.dumps(GOOD | wrong).encode() for wrong in WRONG)]


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_a_header_that_makes_no_sense(path: Path, header: bytes) -> None:
    data = b"aistorch index 1\n" + header + b"\n" + bytes(4)
    path.write_bytes(data + xxhash.xxh3_128_digest(data))
    with pytest.raises(IndexFileError, match="its header is damaged"):
        ObjectIndex.load(path)


def test_a_header_that_promises_too_much(path: Path) -> None:
    data = b"aistorch index 1\n" + json.dumps(GOOD | {"objects": 1 << 70}).encode() + b"\n" + bytes(4)
    path.write_bytes(data + xxhash.xxh3_128_digest(data))
    with pytest.raises(IndexFileError, match="bytes instead of"):
        ObjectIndex.load(path)


def forged(saved: bytes, change: Callable[[dict[str, Any]], None], column: str = "", to: Any = None) -> bytes:
    """The file with another header, or another column, and the right digest."""
    first, header, _ = saved.split(b"\n", 2)
    about = json.loads(header)
    change(about)
    body = saved[len(first) + len(header) + 2 : -16]
    if column:
        old = getattr(INDEX, column)
        at = body.index(old.tobytes())
        new = old.copy()
        new[-1] = to
        body = body[:at] + new.tobytes() + body[at + old.nbytes :]
    text = json.dumps(about).encode()
    content = first + b"\n" + text.ljust(len(header)) + b"\n" + body
    return content + xxhash.xxh3_128_digest(content)


@pytest.mark.parametrize(
    ("column", "to"),
    [
        ("sizes", -2),
        ("offsets", 0),
        ("offsets", 1 << 31),
        ("targets", 2),
        ("targets", -2),
        ("blob", 0xFF),
        ("blob", 0x80),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(path: Path, saved: bytes, column: str, to: int) -> None:
    path.write_bytes(forged(saved, lambda about: None, column, to))
    with pytest.raises(IndexFileError, match=rf"{path}.*Save the index anew"):
        ObjectIndex.load(path)


@pytest.mark.parametrize("name", ["source_urls", "target_ids"])
@pytest.mark.parametrize("value", ["abc", {"a": 1}, None, 3, [1], []])
def test_texts_that_are_none_are_refused(path: Path, saved: bytes, name: str, value: Any) -> None:
    path.write_bytes(forged(saved, lambda about: about.update({name: value})))
    with pytest.raises(IndexFileError):
        ObjectIndex.load(path)


def test_a_header_without_an_end_or_too_deep_is_refused(path: Path, saved: bytes) -> None:
    first = saved.split(b"\n", 1)[0] + b"\n"
    for header in (b"[" * 200_000, b"\xff\xfe{}\n", b" " * (1 << 25), b'{"objects": ' + b"9" * 5000 + b"}\n"):
        path.write_bytes(first + header)
        with pytest.raises(IndexFileError, match="its header is damaged"):
            ObjectIndex.load(path)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ObjectIndex.load(tmp_path / "none")
    with pytest.raises(OSError, match="none"):
        INDEX.save(tmp_path / "none" / "i")
    with pytest.raises(OSError, match="Is a directory"):
        ObjectIndex.load(tmp_path)


def test_what_cannot_be_saved_leaves_what_was_there(path: Path, saved: bytes, monkeypatch: Any) -> None:
    obj = Client("http://localhost").bucket("b").object("x")
    foreign = ObjectIndex.from_names(["x"], foreign={0: obj}, source_urls=["ais://b/"])
    for index in (
        foreign,
        ObjectIndex.from_names(["x"]),
        ObjectIndex.from_names(["x"], sources=1, source_urls=["ais://b/"]),
        ObjectIndex.from_names(["x", "y"], sources=[0, 1], source_urls=["ais://b/", ""]),
    ):
        with pytest.raises(InvalidArgumentError, match=r"cannot be saved.*dataset whose sources are buckets or URLs"):
            index.save(path)
    assert path.read_bytes() == saved
    # A disk that is full, when all but the digest has been written.
    monkeypatch.setattr("xxhash.xxh3_128", Full)
    with pytest.raises(OSError, match="full"):
        INDEX[:1].save(path)
    assert path.read_bytes() == saved
    assert os.listdir(path.parent) == [path.name]


class Full:
    def update(self, _: Any) -> None: ...

    def digest(self) -> bytes:
        raise OSError("full")


@given(st.integers(0, 300))
def test_columns_begin_where_their_numbers_may(folder: Path, length: int) -> None:
    index = ObjectIndex.from_names(["a"], source_urls=["ais://b/" + "x" * length])
    index.save(folder / "a")
    assert all(column.flags.aligned for column in columns(ObjectIndex.load(folder / "a")))
