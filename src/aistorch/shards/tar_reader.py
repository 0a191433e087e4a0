"""The way through a TAR from header to header, wherever chunks are cut. `tar.py` adds the short way for plain files."""

from __future__ import annotations

from typing import Generic, TypeVar

from aistorch.errors import DamagedShardError, ShardError, TruncatedShardError
from aistorch.shards.tar_extended import add_records, extended_records
from aistorch.shards.tar_header import (
    BLOCK,
    EXTENDED,
    FILES,
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
from aistorch.shards.tar_sparse import SparseMap

Chunk = bytes | memoryview
Found = TypeVar("Found")


class TarReader(Generic[Found]):
    """What a reader of whole files and one of headers have in common.

    Attributes:
        shard: Name of the shard, for errors.
        ended: Whether the end marker has been read; what is fed after it is ignored.
    """

    def __init__(self, shard: str) -> None:
        self.shard = shard
        self.ended = False
        self._base = 0  # where in the archive the present chunk begins
        self._records: dict[str, str] = {}  # what extended headers say of the next file
        self._mapped: tuple[Header, SparseMap] | None = None  # a sparse file whose map goes on in the next block
        # Of what the last chunk left unfinished, there is one at most:
        self._incoming: Incoming | None = None
        self._carried = b""  # the beginning of a header
        self._skip = 0  # padding, and contents that nobody wants
        # What errors name:
        self._within = ""
        self._at = 0
        self._trouble: ShardError | None = None

    def feed(self, chunk: Chunk) -> list[Found]:
        """What this chunk completes, in the order of the archive.

        What stands before a damaged place is returned like all else; the next call raises then.

        Raises:
            DamagedShardError: A header, or what extends it, is not what the format allows.
        """
        if self._trouble is not None:
            raise self._trouble
        found: list[Found] = []
        if not self.ended:
            try:
                self._read(chunk, found)
            except HeaderError as error:
                self._trouble = DamagedShardError(self.shard, self._within, self._at, str(error))
                if not found:
                    raise self._trouble from None
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
            raise TruncatedShardError(self.shard, self._within, self._base, missing)

    def _read(self, chunk: Chunk, found: list[Found]) -> None:
        """Takes a chunk."""
        raise NotImplementedError

    def _take_file(self, file: Incoming, chunk: Chunk, pos: int, found: list[Found]) -> int:
        """Takes a file whose content begins at `pos` of the chunk; `_take_header` says what is returned."""
        raise NotImplementedError

    def _deliver(self, file: Incoming, content: bytes, found: list[Found]) -> None:
        """Takes what is stored of a file, all of it."""
        raise NotImplementedError

    def _is_plain(self) -> bool:
        """Whether the next block is a header of which nothing is known before."""
        return not (self._records or self._mapped)

    def _missing(self) -> str:
        """What should still follow, "" where nothing has to."""
        if self._incoming is not None:
            self._within = self._incoming.name
            return f"{self._incoming.missing} of {self._incoming.size} bytes are missing"
        if self._skip:
            return f"{self._skip} bytes are missing"
        self._within = ""
        if self._carried:
            return f"{len(self._carried)} bytes of a header of {BLOCK} are there"
        if self._records or self._mapped:
            return "a file has been announced and does not follow"
        return "" if self._base else "it is empty"

    def _resume(self, chunk: Chunk, found: list[Found]) -> int:
        """Goes on with what the last chunk left unfinished, and returns where the next header begins."""
        if self._incoming is not None:
            incoming = self._incoming
            taken = incoming.fill(memoryview(chunk))
            if incoming.missing:
                return taken
            self._incoming = None
            self._complete(incoming, incoming.content, found)
            return taken + (-incoming.size & BLOCK - 1)
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

    def _take_header(self, block: bytes, chunk: Chunk, pos: int, found: list[Found]) -> int:
        """Takes any header, and what the chunk has of its content from `pos` on.

        Returns:
            Where the next header begins, perhaps beyond the chunk.
        """
        self._within, self._at = "", self._base + pos - BLOCK
        if self._mapped is not None:
            header, sparse = self._mapped
            self._mapped = None
            sparse.add_block(block)
            return self._take_sparse(header, sparse, chunk, pos, found)
        parsed = parse_header(block)
        if parsed is None:
            return self._end(len(chunk))
        if parsed.kind in EXTENDED:
            return self._receive(Incoming.extended(parsed, self._base + pos), chunk, pos, found)
        if parsed.kind == SPARSE:
            return self._take_sparse(parsed, SparseMap.from_header(block), chunk, pos, found)
        return self._take_member(parsed, None, chunk, pos, found)

    def _take_sparse(self, header: Header, sparse: SparseMap, chunk: Chunk, pos: int, found: list[Found]) -> int:
        if sparse.more:
            self._mapped = header, sparse
            return pos
        return self._take_member(header, sparse, chunk, pos, found)

    def _take_member(self, header: Header, sparse: SparseMap | None, chunk: Chunk, pos: int, found: list[Found]) -> int:
        """Takes a header that is not followed by others for the same member."""
        records, self._records = self._records, {}
        name = records.get("path") or header.name
        size = decimal(records["size"], "size") if records.get("size") else header.size
        self._within = clean_name(name)
        kind = header.kind
        if kind in WITHOUT_CONTENT or (kind == OLD_FILE and name.endswith("/")):
            return pos
        if kind not in FILES:
            return pos + size + (-size & BLOCK - 1)
        described = SparseMap.from_records(records)
        if sparse and described:
            raise HeaderError("two maps of one sparse file")
        return self._take_file(Incoming(self._within, self._base + pos, size, sparse or described), chunk, pos, found)

    def _end(self, stop: int) -> int:
        if self._records:
            raise HeaderError("the archive ends where a file has been announced")
        self.ended = True
        return stop

    def _receive(self, incoming: Incoming, chunk: Chunk, pos: int, found: list[Found]) -> int:
        """Takes the bytes behind a header, or as many as the chunk has."""
        stop = pos + incoming.size
        if stop <= len(chunk):
            self._complete(incoming, bytes(chunk[pos:stop]), found)
            return stop + (-incoming.size & BLOCK - 1)
        incoming.reserve()
        incoming.fill(memoryview(chunk)[pos:])
        self._incoming = incoming
        return len(chunk)

    def _complete(self, incoming: Incoming, content: bytes, found: list[Found]) -> None:
        self._within, self._at = incoming.name, incoming.offset
        if incoming.header is None:
            self._deliver(incoming, content, found)
            return
        add_records(self._records, extended_records(incoming.header, content))
