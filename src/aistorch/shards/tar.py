"""A TAR as it arrives: chunks in, files or their places out. No I/O, and no object for each block of 512 bytes."""

from __future__ import annotations

from typing import NamedTuple
from zlib import adler32

from aistorch.fetch.buffers import sliced_to_bytes
from aistorch.shards.tar_contents import NO_RANGE, File, TarContents
from aistorch.shards.tar_extended import only_times
from aistorch.shards.tar_header import BLOCK, FILE, PAX, clean_name, known_sums
from aistorch.shards.tar_reader import Chunk, Place, TarReader

_DOT = ord(".")
_ENDS = b"\0 "  # of a number


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

    @classmethod
    def of(cls, place: Place) -> Entry:
        """What users are told of a place."""
        name, offset, size, sparse = place
        return cls(name, offset, size) if sparse is None else cls(name, NO_RANGE, sparse.size)


class TarHeaders(TarReader):
    """A TAR in, the places of its regular files out; directories, links and special files are passed over.

    Headers that make up almost every shard are taken without a call for each.

    Args:
        shard: Name of the shard, for errors.
        origin: Where in the archive the first chunk begins.
    """

    def _read(self, chunk: Chunk, found: list[Place]) -> None:
        pos, end, base = self._resume(chunk, found), len(chunk), self._base
        data = sliced_to_bytes(chunk) if pos < end else b""
        plain, name = self._is_plain(), self._within
        while (body := pos + BLOCK) <= end:
            header = data[pos:body]
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
                if kind == FILE and size >= 0:
                    name = header.partition(b"\0")[0].decode()
                    if header[0] == _DOT:
                        name = clean_name(name)
                    found.append((name, base + body, size, None))
                    pos = body + size + (-size & 511)
                    continue
                stop = body + size
                if kind == PAX and stop <= end and only_times(data, body, stop):
                    name = ""
                    pos = stop + (-size & 511)
                    continue
            pos = self._take_header(header, chunk, body, found)
            plain, name = self._is_plain(), self._within
        self._within = name
        self._suspend(chunk, pos)


class TarStream:
    """A TAR in, its regular files out.

    Args:
        shard: Name of the shard, for errors.
    """

    def __init__(self, shard: str) -> None:
        self._headers = TarHeaders(shard)
        self._contents = TarContents(shard)

    @property
    def ended(self) -> bool:
        """Whether the end marker has been read; what is fed after it is ignored."""
        return self._headers.ended

    def feed(self, chunk: Chunk) -> list[File]:
        """The files that are complete with this chunk, in the order of the archive.

        What stands before a damaged place is returned like all else; the next call raises then.

        Raises:
            DamagedShardError: A header, or what extends it, is not what the format allows.
        """
        self._contents.close()
        return self._contents.feed(chunk, self._headers.feed(chunk))

    def close(self) -> None:
        """Says that no more chunks follow. Without an end marker an archive is complete where a header could stand.

        Raises:
            TruncatedShardError: The archive ends elsewhere.
            DamagedShardError: As in `feed`, if it could not be raised there any more.
        """
        self._contents.close()
        self._headers.close()
