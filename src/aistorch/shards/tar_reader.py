"""The way through a TAR from header to header, wherever chunks are cut. `tar.py` adds the short way for plain files."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from aistorch.errors import DamagedShardError, ShardError, TrailingDataWarning, TruncatedShardError
from aistorch.shards.kinds import no_shard, what_is
from aistorch.shards.places import Place, Places
from aistorch.shards.tar_extended import EXTENDED_LIMIT, add_records, extended_records
from aistorch.shards.tar_header import (
    BLOCK,
    EXTENDED,
    FILES,
    LINKS,
    OLD_FILE,
    SPARSE,
    WITHOUT_CONTENT,
    Header,
    HeaderError,
    clean_name,
    decimal,
    parse_header,
)
from aistorch.shards.tar_incoming import Incoming
from aistorch.shards.tar_links import Link
from aistorch.shards.tar_sparse import SparseMap

Chunk = bytes | memoryview


class _Extended(NamedTuple):
    """An extended header on its way in."""

    header: Header
    offset: int  # of what it says
    said: Incoming


class TarReader:
    """Finds the files of an archive, as its chunks arrive; contents are passed over, and need not be there yet.

    Args:
        shard: Name of the shard, for errors.
        origin: Where in the archive the first chunk begins.

    Attributes:
        shard: As given.
        ended: Whether the end marker has been read; what is fed after it is not read, and warned of.
    """

    def __init__(self, shard: str, origin: int = 0) -> None:
        self.shard = shard
        self.ended = False
        self._base = self._origin = origin  # where in the archive the present chunk begins, and the first one
        self._records: dict[str, str] = {}  # what extended headers say of the next file
        self._mapped: tuple[Header, SparseMap] | None = None  # a sparse file whose map goes on in the next block
        # Of what the last chunk left unfinished, there is one at most:
        self._extended: _Extended | None = None
        self._carried = b""  # the beginning of a header
        self._skip = 0  # contents and padding
        self._last: Place | None = None
        # What errors name:
        self._within = ""
        self._at = 0
        self._first = b""  # what begins the archive, where that is no header
        self._trouble: ShardError | None = None
        self._has_warned = False

    def feed(self, chunk: Chunk) -> Places:
        """The files whose headers end in this chunk, in the order of the archive.

        What stands before a damaged place is returned like all else; the next call raises then.

        Raises:
            DamagedShardError: A header, or what extends it, is not what the format allows.
        """
        if self._trouble is not None:
            raise self._trouble
        found = Places([], [], [])
        if self.ended:
            self._look_behind(chunk, 0)
        else:
            try:
                self._read(chunk, found)
            except HeaderError as error:
                self._trouble = self._no_tar() or DamagedShardError(self.shard, self._within, self._at, str(error))
            if found:
                self._last = found[-1]
        self._base += len(chunk)
        return found

    def close(self) -> None:
        """Says that no more chunks follow. Without an end marker an archive is complete where a header could stand.

        Raises:
            TruncatedShardError: The archive ends elsewhere.
            DamagedShardError: As in `feed`, if it could not be raised there any more.
        """
        if self._trouble is not None:
            raise self._trouble
        if self.ended:
            return
        missing = self._missing()
        if missing:
            self._first = self._carried
            if self._base < BLOCK and (trouble := self._no_tar()):
                raise trouble
            raise TruncatedShardError(self.shard, self._within, self._base, missing)

    def _read(self, chunk: Chunk, found: Places) -> None:
        """Takes a chunk."""
        raise NotImplementedError

    def _no_tar(self) -> ShardError | None:
        """What to raise where the archive begins as something else that is known."""
        kind = what_is(self._first) if self._at == 0 else ""
        return ShardError(self.shard, problem=no_shard(kind)) if kind else None

    def _is_plain(self) -> bool:
        """Whether the next block is a header of which nothing is known before."""
        return not (self._records or self._mapped)

    def _missing(self) -> str:
        """What should still follow, "" where nothing has to."""
        if self._extended is not None:
            self._within, said = "", self._extended.said
            return f"{said.missing} of {len(said.content)} bytes are missing"
        if self._skip:
            return self._missing_of_content() or f"{self._skip} bytes are missing"
        self._within = ""
        if self._carried:
            return f"{len(self._carried)} bytes of a header of {BLOCK} are there"
        if self._records or self._mapped:
            return "a file has been announced and does not follow"
        return "" if self._base > self._origin else "it is empty"

    def _missing_of_content(self) -> str:
        if self._last is None:
            return ""
        _, offset, size, _ = self._last
        missing = offset + size - self._base
        return f"{missing} of {size} bytes are missing" if missing > 0 else ""

    def _resume(self, chunk: Chunk, found: Places) -> int:
        """Goes on with what the last chunk left unfinished, and returns where the next header begins."""
        if self._extended is not None:
            extended = self._extended
            taken = extended.said.fill(memoryview(chunk))
            if extended.said.missing:
                return taken
            self._extended = None
            self._add(extended.header, extended.offset, extended.said.content)
            return taken + padding_of(extended.header.size)
        if self._carried:
            missing = BLOCK - len(self._carried)
            block = self._carried + bytes(chunk[:missing])
            if len(block) < BLOCK:
                self._carried = block
                return len(chunk)
            self._carried = b""
            return self._take_header(block, chunk, missing, found)
        skip, self._skip = self._skip, 0
        return skip

    def _suspend(self, chunk: Chunk, pos: int) -> None:
        """Keeps what is needed when the next chunk comes."""
        if pos > len(chunk):
            self._skip = pos - len(chunk)
        elif pos < len(chunk):
            self._carried = bytes(chunk[pos:])

    def _take_header(self, block: bytes, chunk: Chunk, pos: int, found: Places) -> int:
        """Takes any header; what it says of the next one stands in the chunk from `pos` on, or in those that follow.

        Returns:
            Where the next header begins, perhaps beyond the chunk.
        """
        self._within, self._at = "", self._base + pos - BLOCK
        if self._mapped is not None:
            header, sparse = self._mapped
            self._mapped = None
            sparse.add_block(block)
            return self._take_sparse(header, sparse, pos, found)
        if self._at == 0:
            self._first = block
        parsed = parse_header(block)
        if parsed is None:
            return self._end(chunk, pos)
        if parsed.kind in EXTENDED:
            return self._receive(parsed, chunk, pos)
        if parsed.kind == SPARSE:
            return self._take_sparse(parsed, SparseMap.from_header(block), pos, found)
        return self._take_member(parsed, None, pos, found)

    def _take_sparse(self, header: Header, sparse: SparseMap, pos: int, found: Places) -> int:
        if sparse.more:
            self._mapped = header, sparse
            return pos
        return self._take_member(header, sparse, pos, found)

    def _take_member(self, header: Header, sparse: SparseMap | None, pos: int, found: Places) -> int:
        """Takes a header that is not followed by others for the same member."""
        records, self._records = self._records, {}
        name = records.get("path") or header.name
        size = decimal(records["size"], "size") if records.get("size") else header.size
        self._within = clean_name(name)
        kind = header.kind
        if kind in WITHOUT_CONTENT or (kind == OLD_FILE and name.endswith("/")):
            return pos
        if kind in LINKS:
            found.add((self._within, self._base + pos, 0, Link.of(name, kind, records.get("linkpath") or header.link)))
            return pos
        if kind in FILES:
            described = SparseMap.from_records(records) if records else None
            if sparse and described:
                raise HeaderError("two maps of one sparse file")
            found.add((self._within, self._base + pos, size, sparse or described))
        return pos + size + padding_of(size)

    def _end(self, chunk: Chunk, pos: int) -> int:
        if self._records:
            raise HeaderError("the archive ends where a file has been announced")
        self.ended = True
        self._look_behind(chunk, pos)
        return len(chunk)

    def _look_behind(self, chunk: Chunk, pos: int) -> None:
        """Warns, once, of anything but zeros behind the end."""
        if self._has_warned or pos >= len(chunk):
            return
        rest = np.frombuffer(chunk, np.uint8, offset=pos)
        if rest.any():
            self._has_warned = True
            offset = self._base + pos + int((rest != 0).argmax())
            text = f"{self.shard}: at byte {offset}, behind the end of the archive, something follows that is not read"
            advice = "a second archive (cat a.tar b.tar) is joined by tar --concatenate instead"
            warnings.warn(f"{text}; {advice}", TrailingDataWarning, stacklevel=2)

    def _receive(self, header: Header, chunk: Chunk, pos: int) -> int:
        """Takes what an extended header says, or as much of it as the chunk has."""
        if header.size > EXTENDED_LIMIT:
            raise HeaderError(f"an extended header of {header.size} bytes; {EXTENDED_LIMIT} at most are read")
        stop = pos + header.size
        if stop <= len(chunk):
            self._add(header, self._base + pos, bytes(chunk[pos:stop]))
            return stop + padding_of(header.size)
        self._extended = _Extended(header, self._base + pos, Incoming(header.size))
        self._extended.said.fill(memoryview(chunk)[pos:])
        return len(chunk)

    def _add(self, header: Header, offset: int, said: bytes) -> None:
        self._within, self._at = "", offset
        add_records(self._records, extended_records(header, said))


def padding_of(size: int) -> int:
    """Bytes between the end of a content and the next header."""
    return -size & BLOCK - 1
