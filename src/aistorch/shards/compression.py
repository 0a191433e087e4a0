"""Compressed shards, uncompressed as they arrive: gzip, LZ4 frames and Zstandard, told by their first bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from aistorch.errors import DamagedShardError, MissingExtraError, ShardError, TruncatedShardError
from aistorch.shards.kinds import no_shard
from aistorch.shards.zstd_frame import ZstdFrame

Chunk = bytes | memoryview

HEAD_SIZE = 10
"""Bytes by which all formats can be told; whatever is shorter is no shard."""

PIECE = 1 << 20
"""Bytes that are uncompressed at a time."""

_GATHERED = 1 << 18  # of smaller pieces, many files would be divided


class Decompressor:
    """For a shard that is not compressed.

    Args:
        shard: Name of the shard, for errors.
    """

    def __init__(self, shard: str) -> None:
        self.shard = shard

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        """The archive's next bytes, in pieces of limited size. All of them have to be taken before the next chunk.

        Raises:
            DamagedShardError: What is compressed is damaged.
        """
        yield chunk

    def close(self) -> None:
        """Says that no more chunks follow.

        Raises:
            TruncatedShardError: What is compressed is not complete.
        """


class _Frames(Decompressor):
    """For a format in which one compressed frame after another may stand, each with a checksum."""

    _padding = b""  # may stand between frames
    _input = 1 << 16  # compressed bytes that are looked at in one step
    _failures: tuple[type[Exception], ...]

    def __init__(self, shard: str) -> None:
        super().__init__(shard)
        self._frame: Any = None
        self._given = 0

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        held: list[bytes] = []
        size, trouble = 0, None
        try:
            for piece in self._uncompressed(chunk):
                held.append(piece)
                size += len(piece)
                if size >= _GATHERED:
                    yield b"".join(held)
                    held, size = [], 0
        except DamagedShardError as error:
            trouble = error
        if size:
            yield b"".join(held)
        if trouble is not None:
            raise trouble

    def _uncompressed(self, chunk: Chunk) -> Iterator[bytes]:
        data = memoryview(chunk)
        at = 0
        while at < len(data):
            if self._frame is None:
                at += _leading(data[at:], self._padding)
                if at == len(data):
                    return
                self._frame = self._new_frame()
            step = data[at : at + self._input]
            try:
                for piece in self._pieces(step):
                    self._given += len(piece)
                    yield piece
            except self._failures as error:
                raise DamagedShardError(self.shard, "", self._given, f"what is compressed: {error}") from error
            at += len(step)
            if self._frame.eof:
                at -= len(self._frame.unused_data or b"")
                self._frame = None

    def close(self) -> None:
        if self._frame is not None:
            raise TruncatedShardError(self.shard, "", self._given, "what is compressed is not complete")

    def _new_frame(self) -> Any:
        """A decompressor of one frame, with the attributes that those of the standard library have."""
        raise NotImplementedError

    def _pieces(self, data: Chunk) -> Iterator[bytes]:
        """What the frame makes of the data, up to its end."""
        raise NotImplementedError


class _Gzip(_Frames):
    _padding = b"\0"
    _failures = (zlib.error,)

    def _new_frame(self) -> Any:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def _pieces(self, data: Chunk) -> Iterator[bytes]:
        while True:
            piece = self._frame.decompress(data, PIECE)
            yield piece
            data = self._frame.unconsumed_tail
            if self._frame.eof or (not data and len(piece) < PIECE):
                return


class _Lz4(_Frames):
    def __init__(self, shard: str) -> None:
        super().__init__(shard)
        self._module = _extra("lz4.frame", shard)
        self._failures = (RuntimeError, EOFError)

    def _new_frame(self) -> Any:
        return self._module.LZ4FrameDecompressor()

    def _pieces(self, data: Chunk) -> Iterator[bytes]:
        while True:
            piece = self._frame.decompress(data, PIECE)
            yield piece
            data = b""
            if self._frame.eof or (self._frame.needs_input and len(piece) < PIECE):
                return


class _Zstd(_Frames):
    def __init__(self, shard: str) -> None:
        super().__init__(shard)
        self._module = _extra("zstandard", shard)
        self._failures = (self._module.ZstdError,)

    def _new_frame(self) -> Any:
        return ZstdFrame(self._module.ZstdDecompressor().decompressobj())

    def _pieces(self, data: Chunk) -> Iterator[bytes]:
        yield from self._frame.pieces(memoryview(data))


def _leading(data: memoryview, padding: bytes) -> int:
    """How many bytes of padding the data begins with."""
    if not padding or data[0] != padding[0]:
        return 0
    return len(data) - len(data.tobytes().lstrip(padding))


def _extra(module: str, shard: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError("shards", f"reading {shard}") from error


_FORMATS: dict[bytes, type[Decompressor]] = {
    b"\x1f\x8b": _Gzip,
    b"\x04\x22\x4d\x18": _Lz4,
    b"\x28\xb5\x2f\xfd": _Zstd,
}
_OTHERS = {"bzip2": rb"BZh[1-9]1AY&SY", "xz": rb"\xfd7zXZ\0", "zip": rb"PK\x03\x04"}


def decompressor_for(head: Chunk, shard: str) -> Decompressor:
    """What uncompresses a shard that begins like this.

    Args:
        head: Its first bytes, `HEAD_SIZE` or more, or all there are.
        shard: Its name, for errors.

    Raises:
        MissingExtraError: It needs a package that is not installed.
        ShardError: It is compressed in a way that is not read.
    """
    start = bytes(head[:HEAD_SIZE])
    for name, magic in _OTHERS.items():
        if re.match(magic, start):
            use = "use TAR, plain or compressed by gzip, LZ4 or Zstandard"
            raise ShardError(shard, problem=no_shard("a zip") if name == "zip" else f"it is {name}; {use}")
    for magic, kind in _FORMATS.items():
        if start.startswith(magic):
            return kind(shard)
    return Decompressor(shard)
