"""The stored form of the index of a shard: words of 8 bytes, little-endian, so that it is there in one step.

The words are: `aistidx` and a zero; `VERSION`, bytes of the shard, its xxh64, how many files and samples there are,
bytes of all names; then the columns, where each name ends, offsets, sizes, where each sample ends; then the names
themselves, filled up with zeros; and last the xxh64 of all words before.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.index.columns import Offsets, offsets_column

VERSION = 1
"""Of the stored form; a reader refuses a higher one than it knows."""

_WORD = np.dtype("<u8")
_MAGIC = int.from_bytes(b"aistidx\0", "little")
_HEAD = 7


class LaterVersionError(ValueError):
    """It was written by a later aistorch."""


class Stored(NamedTuple):
    """What is stored; see `MemberIndex`."""

    blob: NDArray[np.uint8]
    name_offsets: Offsets
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    shard_size: int
    shard_checksum: int


def packed(stored: Stored, version: int = VERSION) -> bytes:
    """The stored form; equal for what is equal."""
    files, samples, names = len(stored.offsets), len(stored.firsts) - 1, len(stored.blob)
    head = np.array([_MAGIC, version, stored.shard_size, stored.shard_checksum, files, samples, names], dtype=_WORD)
    columns = (stored.name_offsets[1:], stored.offsets, stored.sizes, stored.firsts[1:])
    text = np.zeros(-(-names // _WORD.itemsize) * _WORD.itemsize, dtype=np.uint8)
    text[:names] = stored.blob
    words = np.concatenate([head, *(column.astype(_WORD) for column in columns), text.view(_WORD)])
    return words.tobytes() + _digest(words).to_bytes(_WORD.itemsize, "little")


def unpacked(data: bytes) -> Stored:
    """What was stored; whether the columns fit together is not looked at.

    Raises:
        LaterVersionError: By another aistorch.
        ValueError: It is damaged, or something else.
    """
    words: NDArray[np.uint64] = np.frombuffer(data, dtype=_WORD)
    if len(words) <= _HEAD or words[0] != _MAGIC:
        raise ValueError("it does not begin as one")
    _, version, size, checksum, files, samples, names = words[:_HEAD].tolist()
    if version > VERSION:
        raise LaterVersionError(f"it has version {version}, and this aistorch reads up to {VERSION}")
    if int(words[-1]) != _digest(words[:-1]):
        raise ValueError("its checksum is wrong")
    bounds = list(accumulate((_HEAD, files, files, files, samples)))
    ends, offsets, sizes, lasts = (words[begin:end].astype(np.int64) for begin, end in pairwise(bounds))
    blob = words[bounds[-1] : -1].view(np.uint8)[:names]
    return Stored(blob, offsets_column(ends), offsets, sizes, np.append(0, lasts), size, checksum)


def _digest(words: NDArray[np.uint64]) -> int:
    return xxhash.xxh64_intdigest(words.data)
