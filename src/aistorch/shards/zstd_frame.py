"""One Zstandard frame, uncompressed in steps: its library has no limit for what comes of a step, so blocks are counted.

A frame is a header, blocks of 128 KiB at most when uncompressed, and perhaps a checksum (RFC 8878, 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Blocks that are uncompressed in a step: 1 MiB at most comes of them.
_BLOCKS = 8
_MAGIC, _SKIPPABLE = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)
_MAGIC_BYTES, _BLOCK_HEADER, _RLE = 4, 3, 1


class ZstdFrame:
    """Takes the bytes of one frame as they arrive.

    Attributes:
        eof: Whether the frame is complete.
        unused_data: What was given and belongs to no frame, or the next one.

    Args:
        frame: The decompressor of one frame of the package `zstandard`.
    """

    def __init__(self, frame: Any) -> None:
        self.eof = False
        self.unused_data = b""
        self._frame = frame
        self._header = b""  # of the frame or of a block, as much of it as has come
        self._in_blocks = False
        self._passing = 0  # bytes that are no header
        self._is_odd = False  # nothing to be counted in what is left

    def pieces(self, data: memoryview) -> Iterator[bytes]:
        """What the frame makes of the data, up to its end.

        Raises:
            Exception: That of the package; the data is damaged.
        """
        at = 0
        while at < len(data) and not self.eof:
            step = self._step(data[at:])
            yield self._frame.decompress(data[at : at + step])
            at += step
            self.eof = self._frame.eof
        self.unused_data = bytes(self._frame.unused_data or b"") + bytes(data[at:])

    def _step(self, data: memoryview) -> int:
        """How many of these bytes may be given at once."""
        at = blocks = 0
        while at < len(data):
            if self._is_odd:
                return len(data)
            if self._passing:
                passed = min(self._passing, len(data) - at)
                self._passing -= passed
                at += passed
                continue
            wanted = self._wanted() - len(self._header)
            self._header += bytes(data[at : at + wanted])
            at += min(wanted, len(data) - at)
            if len(self._header) < self._wanted():
                continue
            self._take_header()
            blocks += 1
            if blocks > _BLOCKS:  # the header of one more has been passed, and nothing comes of that
                break
        return at

    def _wanted(self) -> int:
        """Bytes of the header, as far as what has come of it tells."""
        if self._in_blocks:
            return _BLOCK_HEADER
        if len(self._header) <= _MAGIC_BYTES:
            return _MAGIC_BYTES + 1
        if self._magic in _SKIPPABLE:
            return _MAGIC_BYTES + 4
        flags = self._header[_MAGIC_BYTES]
        single, size = flags >> 5 & 1, flags >> 6
        return _MAGIC_BYTES + 1 + (not single) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[size]

    @property
    def _magic(self) -> int:
        return int.from_bytes(self._header[:_MAGIC_BYTES], "little")

    def _take_header(self) -> None:
        header, self._header = self._header, b""
        if self._in_blocks:
            told = int.from_bytes(header, "little")
            is_last, kind, size = told & 1, told >> 1 & 3, told >> 3
            self._passing = 1 if kind == _RLE else size
            self._is_odd = bool(is_last)
            return
        magic = int.from_bytes(header[:_MAGIC_BYTES], "little")
        self._in_blocks = magic == _MAGIC
        self._is_odd = not self._in_blocks  # one that is skipped, or no frame at all
