"""How one object lies on disk: its bytes, then a trailer that describes them, in a single file.

    data | metadata (JSON) | magic, size of data, size and xxh64 of the metadata (fixed length)

A file is written aside, under a temporary name on the same filesystem, and renamed to its place when it is complete. So
data and metadata become visible in one step, whenever the process is killed. Should the machine itself lose power
before its caches are written, the trailer does not fit the file, and the file is not taken for an object.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
import xxhash

from aistorch.errors import AIStorchError

_FOOTER = struct.Struct("<8sQIQ")
_MAGIC = b"AISTRCH1"


class TornObjectError(AIStorchError):
    """A file that is not a complete object."""


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What is known of an object.

    Attributes:
        name: Its name in the bucket.
        size: Bytes.
        checksum: xxh64 (seed 0) of the bytes, 16 lower-case hexadecimal digits.
        atime: When it was written, nanoseconds since the epoch.
        version: 1 for the first object of that name, then 2 ...
        custom: Properties that users gave it.
    """

    name: str
    size: int
    checksum: str
    atime: int
    version: int = 1
    custom: dict[str, str] = field(default_factory=dict)


def encode_trailer(meta: ObjectMeta) -> bytes:
    """What follows the data in the file."""
    text = msgspec.json.encode(meta)
    return text + _FOOTER.pack(_MAGIC, meta.size, len(text), xxhash.xxh64_intdigest(text))


def read_trailer(path: Path) -> ObjectMeta:
    """The metadata of the object in the file.

    Raises:
        TornObjectError: If the file is not a complete object.
        OSError: If the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        length = os.fstat(file.fileno()).st_size
        footer = os.pread(file.fileno(), _FOOTER.size, max(length - _FOOTER.size, 0))
        if len(footer) < _FOOTER.size:
            raise TornObjectError(f"{path}: too short for an object")
        magic, size, text_size, digest = _FOOTER.unpack(footer)
        if magic != _MAGIC or size + text_size + _FOOTER.size != length:
            raise TornObjectError(f"{path}: the trailer does not fit the file")
        text = os.pread(file.fileno(), text_size, size)
    if xxhash.xxh64_intdigest(text) != digest:
        raise TornObjectError(f"{path}: the metadata is damaged")
    return msgspec.json.decode(text, type=ObjectMeta)


class DataWindow(io.RawIOBase):
    """The object's bytes alone, as a seekable file that ends where they end. Owns the file it is given."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size, self._position = file, size, 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Offset of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to an offset, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has WriteableBuffer
        """Fills the buffer with what is left; 0 at the end."""
        wanted = min(len(buffer), max(self._size - self._position, 0))
        count = os.preadv(self._file.fileno(), [memoryview(buffer)[:wanted]], self._position) if wanted else 0
        self._position += count
        return count

    def close(self) -> None:
        """Closes the file, too."""
        if not self.closed:
            self._file.close()
        super().close()
