"""What may be written as a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.shards.grouping import split_name
from aistorch.shards.sample_files import key_and_files, sample_files


def test_contents_of_each_kind() -> None:
    given_as: dict[str, Any] = {
        "bin": b"\0\xff",
        "array": bytearray(b"ab"),
        "view": memoryview(b"abcd")[::2],
        "txt": "é",
        "cls": -3,
        "np": np.int64(7),
        "seg.png": b"",
    }
    assert sample_files("d/k", given_as) == [
        ("d/k.bin", b"\0\xff"),
        ("d/k.array", b"ab"),
        ("d/k.view", b"ac"),
        ("d/k.txt", "é".encode()),
        ("d/k.cls", b"-3"),
        ("d/k.np", b"7"),
        ("d/k.seg.png", b""),
    ]


def test_what_is_written_is_what_the_caller_had_then() -> None:
    content = bytearray(b"before")
    [(_, written)] = sample_files("k", {"bin": content})
    content[:] = b"behind"
    assert written == b"before"


def _kind(content: object) -> str:
    return type(content).__name__


@pytest.mark.parametrize("content", [3.5, True, None, [1], {"a": 1}, np.zeros(3), object()], ids=_kind)
def test_other_contents_are_refused_by_key_and_extension(content: Any) -> None:
    kind = type(content).__name__
    with pytest.raises(ArgumentTypeError, match=f"sample 'd/k': 'x' is of type {kind}; give bytes, a str"):
        sample_files("d/k", {"x": content})


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is empty"),
        ("/a", "names in a shard are relative"),
        ("a/", "a part without a name"),
        ("a//b", "a part without a name"),
        ("../a", "a part '.' or '..'"),
        ("a/./b", "a part '.' or '..'"),
        ("..", "a part '.' or '..'"),
        ("d/a.b", "a dot in its last part"),
        ("a\0b", "a NUL character"),
        ("\ud800", "UTF-8 cannot express"),
    ],
)
def test_keys_that_no_reader_would_find_are_refused(key: str, reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"cannot be the key of a sample: it .*{reason}"):
        sample_files(key, {"x": b""})


@pytest.mark.parametrize(
    ("extension", "reason"),
    [("", "is empty"), (".jpg", "begins with a dot; write 'jpg'"), ("a/b", "holds a '/'"), ("a\0", "NUL character")],
)
def test_extensions_that_no_reader_would_find_are_refused(extension: str, reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"sample 'k': .* cannot be an extension: it .*{reason}"):
        sample_files("k", {extension: b""})


def test_keys_and_extensions_are_strings() -> None:
    with pytest.raises(ArgumentTypeError, match="the key of a sample must be a str, not int"):
        sample_files(5, {"x": b""})  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="an extension must be a str, not int"):
        sample_files("k", {5: b""})  # type: ignore[dict-item]
    with pytest.raises(InvalidArgumentError, match="sample 'k' has no files"):
        sample_files("k", {})


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_is_accepted_is_found_again(key: str, extension: str) -> None:
    try:
        [(name, _)] = sample_files(key, {extension: b""})
    except InvalidArgumentError:
        return
    assert split_name(name) == (key, extension)


def test_one_mapping_as_webdataset_has_it() -> None:
    sample = {"__key__": "a", "__url__": "x.tar", "jpg": b"1", "cls": 2}
    assert key_and_files(sample) == ("a", {"jpg": b"1", "cls": 2})
    with pytest.raises(InvalidArgumentError, match="needs its key under '__key__'"):
        key_and_files({"jpg": b"1"})
