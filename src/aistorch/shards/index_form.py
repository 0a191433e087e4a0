"""The stored form of the index of a shard: words of 8 bytes, little-endian, so that it is there in one step.

The words are: `aistidx` and a zero; `VERSION`; two numbers; how many words each of four columns has, and how many bytes
the text; then the columns; then the text, filled up with zeros; and last the xxh64 of all words before. What numbers,
columns and text are is `MemberIndex`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.shards.kinds import what_is

VERSION = 1
"""Of the stored form; a reader refuses a higher one than it knows."""

_WORD = np.dtype("<u8")
_MAGIC = int.from_bytes(b"aistidx\0", "little")
_NUMBERS, _COLUMNS = 2, 4
_HEAD = 2 + _NUMBERS + _COLUMNS + 1


class LaterVersionError(ValueError):
    """It was written by a later aistorch."""


def packed(
    numbers: Sequence[int], columns: Sequence[NDArray[Any]], text: NDArray[np.uint8], version: int = VERSION
) -> bytes:
    """The stored form of two numbers, four columns of whole numbers from 0 on, and a text; equal for what is equal."""
    head = np.array([_MAGIC, version, *numbers, *map(len, columns), len(text)], dtype=_WORD)
    filled = np.zeros(-(-len(text) // _WORD.itemsize) * _WORD.itemsize, dtype=np.uint8)
    filled[: len(text)] = text
    words = np.concatenate([head, *(column.astype(_WORD) for column in columns), filled.view(_WORD)])
    return words.tobytes() + _digest(words).to_bytes(_WORD.itemsize, "little")


def unpacked(data: bytes) -> tuple[list[int], list[NDArray[np.int64]], NDArray[np.uint8]]:
    """The numbers, columns and text that were stored; whether they fit together is not looked at.

    Raises:
        LaterVersionError: By another aistorch.
        ValueError: It is damaged, or something else.
    """
    words: NDArray[np.uint64] = np.frombuffer(data, dtype=_WORD)
    if len(words) <= _HEAD or words[0] != _MAGIC:
        raise ValueError("it does not begin as one")
    _, version, *rest, length = words[:_HEAD].tolist()
    if version > VERSION:
        raise LaterVersionError(f"it has version {version}, and this aistorch reads up to {VERSION}")
    if int(words[-1]) != _digest(words[:-1]):
        raise ValueError("its checksum is wrong")
    bounds = list(accumulate([_HEAD, *rest[_NUMBERS:]]))
    columns = [words[begin:end].astype(np.int64) for begin, end in pairwise(bounds)]
    return rest[:_NUMBERS], columns, words[bounds[-1] : -1].view(np.uint8)[:length]


def others_index(data: bytes) -> str:
    """What an object is that lies where an index should, and was made by another program; "" where nobody knows."""
    if re.match(rb"v\d+\.\d+ \d+\r?\n", data[:64]):
        return "it is an index of DALI (wds2idx), which aistorch does not use. Keep it, or let ShardWriter replace it"
    words = np.frombuffer(data[: len(data) // 8 * 8], dtype=_WORD)
    if len(data) % 8 == 0 and len(words) > 1 and words[0] == 0 and _are_blocks(words):
        return "it is an index of Megatron Energon, which aistorch does not use. Keep it, or let ShardWriter replace it"
    return what_is(data) and f"it is {what_is(data)}, and no index. Write it anew"


def _are_blocks(words: NDArray[np.uint64]) -> bool:
    """Whether these are rising places of headers in a TAR."""
    return bool((words[1:] > words[:-1]).all() and (words % 512 == 0).all())


def _digest(words: NDArray[np.uint64]) -> int:
    return xxhash.xxh64_intdigest(words.data)
