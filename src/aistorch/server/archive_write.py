"""Writing archives as a stream of bytes: nothing is held but the piece that is being written."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

from aistorch.server.archive_formats import ArchiveFormat, import_lz4

PIECE = 256 << 10
"""Bytes read from a member at once, and about the size of the pieces an archive is given out in."""


class Entry(NamedTuple):
    """A file to be written into an archive.

    Attributes:
        name: Its name there.
        size: Its length in bytes.
        content: Where its bytes come from, `size` or more; None for an empty file. Closed when written.
    """

    name: str
    size: int
    content: IO[bytes] | None = None


class ShortMemberError(OSError):
    """A member's source ended before the length that was already written into the archive."""


def stream_archive(form: ArchiveFormat, entries: Iterable[Entry]) -> Iterator[bytes]:
    """An archive of `entries`, in their order, duplicates included, in pieces of about `PIECE` bytes.

    Each entry is asked for when its turn comes, so a source may be opened as late as that.

    Raises:
        UnavailableFormatError: The format is `.tar.lz4` and the package `lz4` is not installed.
        ShortMemberError: A source was shorter than its entry said.
    """
    if form is ArchiveFormat.ZIP:
        return _gather(_zip_pieces(entries))
    pieces = _tar_pieces(entries)
    if form is ArchiveFormat.TGZ:
        pieces = _gzip_pieces(pieces)
    elif form is ArchiveFormat.TAR_LZ4:
        pieces = _lz4_pieces(import_lz4(), pieces)
    return _gather(pieces)


def read_content(entry: Entry) -> Iterator[bytes]:
    """An entry's bytes in pieces; its source is closed at the end.

    Raises:
        ShortMemberError: The source is shorter than the entry says.
    """
    if entry.content is None:
        return
    with entry.content as content:
        left = entry.size
        while left:
            piece = content.read(min(left, PIECE))
            if not piece:
                raise ShortMemberError(f"{entry.name} ended {left} bytes early")
            left -= len(piece)
            yield piece


def _tar_pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in entries:
        info = tarfile.TarInfo(entry.name)
        info.size = entry.size
        yield info.tobuf(tarfile.PAX_FORMAT)
        yield from read_content(entry)
        yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _gzip_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gzip_container = 31
    packer = zlib.compressobj(level=1, wbits=gzip_container)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _lz4_pieces(lz4: Any, pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = lz4.LZ4FrameCompressor()
    yield packer.begin()
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


class _Sink(io.RawIOBase):
    """Collects what is written until it is taken; cannot seek, so zip writes sizes behind the data."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _zip_pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as packer:
        for entry in entries:
            with packer.open(entry.name, "w", force_zip64=entry.size > zipfile.ZIP64_LIMIT) as member:
                for piece in read_content(entry):
                    member.write(piece)
                    yield sink.take()
            # Repeated names are meant here; without its memory of them ZipFile would warn of each.
            packer.NameToInfo.clear()
            yield sink.take()
    yield sink.take()


def _gather(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Joins small pieces: every piece costs a switch between threads where it is sent."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)
