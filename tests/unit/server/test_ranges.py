from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.server.http_errors import RangeNotSatisfiable
from aistorch.server.ranges import content_range, parse_range

DIGITS = b"0123456789"


@pytest.mark.parametrize(
    ("header", "content", "announced"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=9-", b"9", "bytes 9-9/10"),
        ("bytes=0-100", DIGITS, "bytes 0-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", DIGITS, "bytes 0-9/10"),
        ("bytes=-0", b"", "bytes 10-9/10"),
        ("bytes= 2 - 3 ", b"23", "bytes 2-3/10"),
        ("bytes=20-,0-1", b"01", "bytes 0-1/10"),
    ],
)
def test_ranges_are_cut_and_announced_as_aistore_does(header: str, content: bytes, announced: str) -> None:
    offset, length = parse_range(header, 10)
    assert DIGITS[offset : offset + length] == content
    assert content_range(offset, length, 10) == announced


@pytest.mark.parametrize("header", ["bytes=5-3", "bytes=a-b", "bytes=--1", "bytes 0-1", "chars=0-1", "BYTES=0-1"])
@pytest.mark.parametrize("size", [0, 10])
def test_malformed_ranges_are_refused_without_a_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, size)
    assert caught.value.status == 416
    if header != "bytes=5-3" or size:
        assert caught.value.headers == {}


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=11-12", 10), ("bytes=", 10)])
def test_ranges_behind_the_end_tell_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}
    assert caught.value.tcode == "ErrRangeNotSatisfiable"


def test_several_ranges_at_once_are_not_supported() -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range("bytes=0-1,3-4", 10)
    assert caught.value.tcode == "ErrUnsupp"


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_a_slice(data: bytes, first: int, extra: int) -> None:
    if first >= len(data):
        with pytest.raises(RangeNotSatisfiable):
            parse_range(f"bytes={first}-{first + extra}", len(data))
    else:
        offset, length = parse_range(f"bytes={first}-{first + extra}", len(data))
        assert data[offset : offset + length] == data[first : first + extra + 1]


@given(st.binary(max_size=50), st.integers(0, 60))
def test_a_suffix_range_is_the_tail(data: bytes, count: int) -> None:
    offset, length = parse_range(f"bytes=-{count}", len(data))
    assert data[offset : offset + length] == (data[-count:] if count else b"")
