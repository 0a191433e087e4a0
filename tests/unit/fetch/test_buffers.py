"""Bodies that are filled in place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.fetch.body import Body, Part
from aistorch.fetch.buffers import new_body


@given(st.binary(max_size=1000))
def test_what_is_written_through_the_view_is_the_body(content: bytes) -> None:
    body, view = new_body(len(content))
    view[:] = content
    del view
    assert type(body) is bytes
    assert body == content
    assert hash(body) == hash(content)
    assert b"".join([body, b"!"]) == content + b"!"


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_each_body_has_memory_of_its_own(size: int) -> None:
    first, view = new_body(size)
    view[:] = b"a" * size
    second, other = new_body(size)
    other[:] = b"b" * size
    assert first == b"a" * size
    assert second == b"b" * size


def test_an_empty_or_tiny_body_leaves_the_interpreters_own_alone() -> None:
    # CPython shares b"" and all bytes objects of one byte.
    for value in range(256):
        body, view = new_body(1)
        view[0] = value
        assert body == bytes([value])
    assert [bytes([value])[0] for value in range(256)] == list(range(256))
    assert new_body(0)[0] == b""


def test_a_view_does_not_reach_beyond_its_body() -> None:
    _, view = new_body(3)
    with pytest.raises(ValueError, match="different structures"):
        view[:] = b"four"
    with pytest.raises(IndexError):
        view[3] = 0


@given(content=st.binary(min_size=1, max_size=300), size=st.integers(1, 100), step=st.integers(1, 50))
def test_parts_in_any_order_make_the_whole(content: bytes, size: int, step: int) -> None:
    body = Body(len(content))
    parts = [Part(body, start, min(start + size, len(content))) for start in range(0, len(content), size)]
    for part in reversed(parts):
        while part.at < part.stop:
            piece = content[part.at : min(part.at + step, part.stop)]
            part.fill(piece)
    assert body.missing == 0
    assert body.content == content


def test_a_part_that_starts_over_counts_its_bytes_again() -> None:
    body = Body(10)
    part = Part(body, 2, 8)
    part.fill(b"abc")
    assert (part.at, body.missing, len(part.room)) == (5, 7, 3)
    part.restart()
    assert (part.at, body.missing, len(part.room)) == (2, 10, 6)
    assert not part.is_whole
    assert Part(body, 0, 10).is_whole
