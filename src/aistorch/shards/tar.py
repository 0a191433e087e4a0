"""A TAR as it arrives: chunks in, files out. No I/O, and no Python object for each block of 512 bytes."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple
from zlib import adler32

from aistorch.shards.tar_extended import only_times
from aistorch.shards.tar_header import BLOCK, FILE, PAX, clean_name, known_sums
from aistorch.shards.tar_incoming import Incoming
from aistorch.shards.tar_reader import Chunk, Found, TarReader

NO_RANGE = -1
"""The offset of a sparse file: its content stands nowhere in one piece."""

_DOT = ord(".")
_ENDS = b"\0 "  # of a number

File = tuple[str, bytes, int]
"""The fields of a `Member`; a plain tuple is made in a quarter of the time."""


class Member(NamedTuple):
    """A regular file of an archive.

    Attributes:
        name: Its whole name, without a leading `./`.
        content: Its bytes.
        offset: Where they begin in the archive, before any compression; `NO_RANGE` for a sparse file.
    """

    name: str
    content: bytes
    offset: int


class Entry(NamedTuple):
    """A regular file of an archive without its content.

    Attributes:
        name: Its whole name, without a leading `./`.
        offset: Where its content begins in the archive, before any compression; `NO_RANGE` for a sparse file.
        size: Bytes of the content.
    """

    name: str
    offset: int
    size: int


class _ShortWay(TarReader[Found]):
    """Takes the headers that make up almost every shard without a call for each."""

    _contents: ClassVar[bool]

    def _read(self, chunk: Chunk, found: list[Any]) -> None:
        contents, base, end, copied = self._contents, self._base, len(chunk), type(chunk) is not bytes
        data: Any = chunk
        pos = self._resume(chunk, found)
        plain, name = self._is_plain(), self._within
        while (body := pos + BLOCK) <= end:
            header: bytes = bytes(data[pos:body]) if copied else data[pos:body]
            # 512 ASCII characters add up to less than Adler-32's modulus, so its lower half is 1 + their sum.
            if (
                plain
                and header.isascii()
                and adler32(header) & 0xFFFF == known_sums.get(header[148:156])
                and header[135] in _ENDS
                and not (header[99] or header[345])  # neither a name that fills its field, nor a prefix
            ):
                kind = header[156]
                try:
                    size = int(header[124:135], 8)
                except ValueError:
                    size = kind = 0
                stop = body + size
                if kind == FILE and body <= stop and (stop <= end or not contents):
                    name = header.partition(b"\0")[0].decode()
                    if header[0] == _DOT:
                        name = clean_name(name)
                    if contents:
                        found.append((name, bytes(data[body:stop]) if copied else data[body:stop], base + body))
                    else:
                        found.append(Entry(name, base + body, size))
                    pos = stop + (-size & 511)
                    continue
                if kind == PAX and stop <= end and only_times(chunk, body, stop):
                    name = ""
                    pos = stop + (-size & 511)
                    continue
            pos = self._take_header(header, chunk, body, found)
            plain, name = self._is_plain(), self._within
        self._within = name
        self._suspend(chunk, pos)


class TarStream(_ShortWay[File]):
    """A TAR in, its regular files out; directories, links and special files are passed over.

    Args:
        shard: Name of the shard, for errors.
    """

    _contents = True

    def _take_file(self, file: Incoming, chunk: Chunk, pos: int, found: list[File]) -> int:
        return self._receive(file, chunk, pos, found)

    def _deliver(self, file: Incoming, content: bytes, found: list[File]) -> None:
        if file.sparse is None:
            found.append((file.name, content, file.offset))
        else:
            found.append((file.name, file.sparse.fill(content), NO_RANGE))


class TarHeaders(_ShortWay[Entry]):
    """A TAR in, the places of its regular files out; contents are passed over, and need not be there yet.

    Args:
        shard: Name of the shard, for errors.
    """

    _contents = False

    def _take_file(self, file: Incoming, chunk: Chunk, pos: int, found: list[Entry]) -> int:  # noqa: ARG002
        sparse = file.sparse
        found.append(Entry(file.name, NO_RANGE, sparse.size) if sparse else Entry(file.name, file.offset, file.size))
        return pos + file.size + (-file.size & BLOCK - 1)
