"""What the benchmark's objects are called and hold: the same on every machine, another for each object."""

from __future__ import annotations

import random
from functools import lru_cache

_NAME = "train/{:08d}.bin"


def object_name(number: int) -> str:
    """The name of an object by its number."""
    return _NAME.format(number)


def object_content(number: int, size: int) -> bytes:
    """The object's number, then bytes that do not compress; as many as `size` in all."""
    return (number.to_bytes(8, "little") + _noise(size))[:size]


@lru_cache(maxsize=2)
def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(max(0, size - 8))  # noqa: S311  # to be repeatable, not secret
