"""What the headers of a shard's files must say, by an index: looked at many at once, and parsed by nobody."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aistorch.fetch.body import Content
from aistorch.index.columns import Offsets
from aistorch.shards.tar_header import BLOCK, FILE

# Of the fields of a header.
_SIZE, _KIND, _PREFIX = slice(124, 135), 156, 345
_NAME_BYTES, _DIGITS, _LARGEST = 100, 11, (8 << 30) - 1
_NO_KIND = 0xFF
_ZERO = ord("0")


class Foretold:
    """The headers that files of these names, offsets and sizes have, where nothing is out of the ordinary.

    Args:
        blob: Their names, one after another.
        name_offsets: Where each name begins in it, and where the last one ends.
        offsets: Where their contents begin, rising.
        sizes: Bytes of the contents.
    """

    def __init__(
        self, blob: NDArray[np.uint8], name_offsets: Offsets, offsets: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> None:
        self._blob, self._name_offsets = blob, name_offsets
        self._offsets, self._sizes = offsets, sizes
        ends = offsets[:-1] + sizes[:-1]
        follows = offsets[1:] == ends + (-ends & BLOCK - 1) + BLOCK
        self._breaks = np.append(np.flatnonzero(~follows) + 1, len(sizes))  # what does not stand right behind another

    def after(self, offset: int) -> int:
        """The number of the first file whose content begins behind a place of the shard."""
        return int(self._offsets.searchsorted(offset, side="right"))

    def is_next(self, number: int, offset: int) -> bool:
        """Whether the content of this file begins at that place."""
        return number < len(self._offsets) and self._offsets[number] == offset

    def run(self, end: int, first: int) -> int:
        """Where the row of files ends that begins with number `first`: all side by side, their headers before `end`."""
        return min(self.after(end), int(self._breaks[self._breaks.searchsorted(first, side="right")]))

    def count(self, chunk: Content, pos: int, base: int, first: int, stop: int) -> int:
        """How many files, from number `first` on, have the headers that they must have.

        Args:
            chunk: Bytes of the shard.
            pos: Where in the chunk the header of the first one begins.
            base: Where in the shard the chunk begins.
            first: Number of that file.
            stop: Where their row ends.
        """
        blocks = np.frombuffer(chunk, np.uint8, (len(chunk) - pos) // BLOCK * BLOCK, pos).reshape(-1, BLOCK)
        rows = (self._offsets[first:stop] - (base + pos)) // BLOCK - 1
        heads = blocks[rows, : _KIND + 1]
        expected, digits, kinds = self._fields
        names = heads[:, : expected.shape[1]] != expected[first:stop]
        sizes = heads[:, _SIZE] != digits[first:stop]
        others = heads[:, _KIND] != kinds[first:stop]
        others |= blocks[rows, _PREFIX] != 0
        if not (names.any() or sizes.any() or others.any()):
            return stop - first
        return int((names.any(axis=1) | sizes.any(axis=1) | others).argmax())

    @cached_property
    def _fields(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Of each header: name, size and kind."""
        sizes, lengths = self._sizes, self._name_offsets[1:].astype(np.int64) - self._name_offsets[:-1]
        odd = (lengths >= _NAME_BYTES) | (sizes > _LARGEST)  # what does not fit into one header, or barely
        digits = np.empty((len(sizes), _DIGITS), np.uint8)
        for digit in range(_DIGITS):
            digits[:, digit] = (sizes >> 3 * (_DIGITS - 1 - digit) & 7) + _ZERO
        return _matrix(self._blob, lengths, odd), digits, np.where(odd, _NO_KIND, FILE).astype(np.uint8)


def _matrix(blob: NDArray[np.uint8], lengths: NDArray[np.int64], odd: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A name in each row, with a zero behind it at least; of odd ones, none."""
    if odd.any():
        blob, lengths = blob[np.repeat(~odd, lengths)], np.where(odd, 0, lengths)
    width = int(lengths.max(initial=0)) + 1
    matrix = np.zeros((len(lengths), width), np.uint8)
    matrix[np.arange(width) < lengths[:, None]] = blob
    return matrix
