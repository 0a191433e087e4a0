"""From what a listing gives, one Python list a property, to numpy columns: in bulk, not one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNKNOWN_SIZE = -1
UNKNOWN_TARGET = -1
UNKNOWN_CHECKSUM = 0
"""One object in 2**64 has an xxh64 of 0 and counts as unchecked; that saves a column of flags."""

CHECKSUM_DIGITS = 16
GATHER_STEP = 1 << 16

T = TypeVar("T", bound=np.generic)
Offsets = NDArray[np.uint32] | NDArray[np.uint64]
TargetColumn = NDArray[np.int16] | NDArray[np.int32]


def target_kind(targets: int) -> type[np.int16] | type[np.int32]:
    """What codes of so many targets are kept in."""
    return np.int16 if targets <= np.iinfo(np.int16).max + 1 else np.int32


def offsets_column(ends: NDArray[np.int64]) -> Offsets:
    """Offsets of texts that lie one after another: 0, then where each ends. 4 bytes each if they fit."""
    total = int(ends[-1]) if len(ends) else 0
    column = np.zeros(len(ends) + 1, dtype=np.uint32 if total < 1 << 32 else np.uint64)
    column[1:] = ends
    return column


def pack_names(names: Sequence[str]) -> tuple[NDArray[np.uint8], Offsets]:
    """All names in UTF-8 as one array of bytes, and the offsets: of each, and the end of the last."""
    text = "".join(names)
    data = text.encode()
    # In ASCII a name has as many bytes as characters, so that none has to be encoded on its own.
    lengths = map(len, names) if len(data) == len(text) else (len(name.encode()) for name in names)
    ends = np.fromiter(accumulate(lengths), dtype=np.int64, count=len(names))
    return np.frombuffer(data, dtype=np.uint8), offsets_column(ends)


def gather(blob: NDArray[np.uint8], offsets: Offsets, indices: NDArray[np.int64]) -> tuple[NDArray[np.uint8], Offsets]:
    """The texts numbered `indices`, packed again in that order."""
    starts = offsets[indices].astype(np.int64)
    lengths = offsets[indices + 1].astype(np.int64) - starts
    ends = np.cumsum(lengths)
    packed = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    # In steps: the position of each single byte takes eight.
    for first in range(0, len(indices), GATHER_STEP):
        part = slice(first, first + GATHER_STEP)
        begin, end = int(ends[first] - lengths[first]), int(ends[part][-1])
        shifts = starts[part] - (ends[part] - lengths[part])
        packed[begin:end] = blob[np.repeat(shifts, lengths[part]) + np.arange(begin, end)]
    return packed, offsets_column(ends)


def parse_checksums(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The xxh64 of each object from 16 hexadecimal digits; other texts (none, MD5, an ETag) mean unknown."""
    packed = _parse_hex("".join(texts)) if all(len(text) == CHECKSUM_DIGITS for text in texts) else b""
    if len(packed) != len(texts) * CHECKSUM_DIGITS // 2:
        packed = b"".join(_parse_one(text) for text in texts)
    return np.frombuffer(packed, dtype=">u8").astype(np.uint64)


def _parse_hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:  # something else than digits
        return b""


def _parse_one(text: str) -> bytes:
    value = _parse_hex(text) if len(text) == CHECKSUM_DIGITS else b""
    # `fromhex` skips white space, so that 16 characters can be fewer digits.
    return value if len(value) == CHECKSUM_DIGITS // 2 else bytes(CHECKSUM_DIGITS // 2)


def filled_column(values: ArrayLike, dtype: type[T], count: int) -> NDArray[T]:
    """A column of these values, or of one value so many times."""
    column = np.array(values, dtype=dtype)
    return np.full(count, column, dtype=dtype) if column.ndim == 0 else column


def target_column(codes: ArrayLike, targets: int, count: int) -> TargetColumn:
    """A column of codes of so many targets."""
    if target_kind(targets) is np.int16:
        return filled_column(codes, np.int16, count)
    return filled_column(codes, np.int32, count)
