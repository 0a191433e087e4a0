"""A TAR as it arrives: chunks in, files or their places out. No I/O, and no object for each block of 512 bytes."""

from __future__ import annotations

from typing import NamedTuple

from aistorch.fetch.buffers import sliced_to_bytes
from aistorch.shards.places import Place, Places
from aistorch.shards.tar_contents import NO_RANGE, File, TarContents
from aistorch.shards.tar_header import BLOCK
from aistorch.shards.tar_links import Link
from aistorch.shards.tar_plain import take_plain
from aistorch.shards.tar_reader import Chunk, TarReader, padding_of

# Odd headers in one chunk after which none are looked for any more that can be taken together.
_VAIN = 8


class Entry(NamedTuple):
    """A regular file of an archive without its content.

    Attributes:
        name: Its whole name, without a leading `./`.
        offset: Where its content begins in the archive, before any compression; `NO_RANGE` for a sparse file or a link.
        size: Bytes of the content.
    """

    name: str
    offset: int
    size: int

    @classmethod
    def of(cls, place: Place) -> Entry:
        """What users are told of a place."""
        name, offset, size, odd = place
        if odd is None:
            return cls(name, offset, size)
        return cls(name, NO_RANGE, 0 if isinstance(odd, Link) else odd.size)


class TarHeaders(TarReader):
    """A TAR in, the places of its files and links out; directories and special files are passed over.

    Headers that make up almost every shard are taken without a call for each.

    Args:
        shard: Name of the shard, for errors.
        origin: Where in the archive the first chunk begins.
    """

    def _read(self, chunk: Chunk, found: Places) -> None:
        pos, end = self._resume(chunk, found), len(chunk)
        data = sliced_to_bytes(chunk) if pos < end else b""
        vain = 0
        while (body := pos + BLOCK) <= end:
            after = self._take_many(chunk, data, pos, found) if vain < _VAIN and self._is_plain() else pos
            if after > pos:
                self._within = _name_before(self._base + after, found)
                pos = after
            else:
                vain += 1
                pos = self._take_header(data[pos:body], chunk, body, found)
        self._suspend(chunk, pos)

    def _take_many(self, chunk: Chunk, data: bytes, pos: int, found: Places) -> int:
        """Takes headers that can be taken together, and returns where the next one begins."""
        return take_plain(chunk, data, pos, self._base, found)


def _name_before(offset: int, found: Places) -> str:
    """The file that ends there with its padding; "" where it was a pax header that did."""
    if not found:
        return ""
    name, start, size, _ = found[-1]
    return name if start + size + padding_of(size) == offset else ""


class TarStream:
    """A TAR in, its regular files out; links are passed over.

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
        return list(self._contents.feed(chunk, self._headers.feed(chunk)))

    def close(self) -> None:
        """Says that no more chunks follow. Without an end marker an archive is complete where a header could stand.

        Raises:
            TruncatedShardError: The archive ends elsewhere.
            DamagedShardError: As in `feed`, if it could not be raised there any more.
        """
        self._contents.close()
        self._headers.close()
