"""Byte ranges, with AIStore's own reading of the `Range` header (protocol facts, 3.2)."""

from __future__ import annotations

from aistorch.server.http_errors import BadRequest, RangeNotSatisfiable

_PREFIX = "bytes="
_MOST_DIGITS = 19  # of a signed number of 64 bits


def parse_range(header: str, size: int) -> tuple[int, int]:
    """Offset and length of the one range that a header asks for, cut to the object's size.

    Args:
        header: The value of `Range`.
        size: Bytes of the object.

    Raises:
        RangeNotSatisfiable: If it asks for nothing the object has, for several ranges, or is malformed.
        BadRequest: If it has a number that no size can have.
    """
    if not header.startswith(_PREFIX):
        raise RangeNotSatisfiable(f"read range {header!r} is invalid: 'bytes=<first>-<last>' was expected")
    specs = [spec for spec in map(str.strip, header[len(_PREFIX) :].split(",")) if spec]
    ranges = [found for found in (_parse_one(spec, size) for spec in specs) if found is not None]
    if len(ranges) > 1:
        raise RangeNotSatisfiable(f"multi-range read {header!r} is not supported", tcode="ErrUnsupp")
    if not ranges:
        raise RangeNotSatisfiable(f"range {header!r} is not satisfiable: the object has {size} bytes", size)
    return ranges[0]


def content_range(offset: int, length: int, size: int) -> str:
    """The value of `Content-Range`."""
    return f"bytes {offset}-{offset + length - 1}/{size}"


def _parse_one(spec: str, size: int) -> tuple[int, int] | None:
    first, dash, last = (part.strip() for part in spec.partition("-"))
    if not dash:
        raise _malformed(spec)
    if not first:
        length = min(_number(last, spec), size)
        return size - length, length
    offset = _number(first, spec)
    if offset >= size:
        return None
    if not last:
        return offset, size - offset
    end = _number(last, spec)
    if end < offset:
        raise _malformed(spec)
    return offset, min(end, size - 1) - offset + 1


def _number(text: str, spec: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _malformed(spec)
    if len(text.lstrip("0")) > _MOST_DIGITS:
        raise BadRequest(f"read range {spec[:80]!r} is invalid: no object has so many bytes")
    return int(text)


def _malformed(spec: str) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(f"read range {spec!r} is invalid")
