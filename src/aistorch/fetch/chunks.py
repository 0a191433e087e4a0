"""Large objects as a stream of chunks: byte ranges, asked for ahead and delivered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import xxhash

from aistorch.errors import ChecksumError, ObjectReplacedError
from aistorch.fetch.body import Content
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.pool import engines
from aistorch.fetch.reader import Reader
from aistorch.fetch.reply import Version
from aistorch.fetch.request import UNKNOWN_SIZE, Request
from aistorch.fetch.routes import requests_for
from aistorch.fetch.settings import ClusterSettings
from aistorch.index.object_index import ObjectIndex

# Bytes of a range. Larger ones read no faster, and smaller ones cost more calls.
CHUNK_SIZE = 2 << 20
# Objects whose requests are made at once.
_BLOCK = 64


class Extent(NamedTuple):
    """What is wanted of an object.

    Attributes:
        position: The object, in the index.
        start: The first byte.
        stop: Where to end; None: with the object.
    """

    position: int
    start: int = 0
    stop: int | None = None


class Chunk(NamedTuple):
    """A piece of what is wanted.

    Attributes:
        number: Of the extent, counted from 0 in the stream.
        content: The bytes.
        last: Whether the extent ends with it.
        buffer: The memory that they lie in, to be given back to the pool; None where it is not the pool's.
        size: Bytes of the whole object as it is now; -1 where that is not known.
        version: What its reply announced to tell this version of the object from others.
    """

    number: int
    content: Content
    last: bool
    buffer: memoryview | None = None
    size: int = UNKNOWN_SIZE
    version: Version = None


def stream_chunks(
    reader: Reader,
    index: ObjectIndex,
    extents: Iterable[Extent],
    chunk_size: int = CHUNK_SIZE,
    pool: BufferPool | None = None,
) -> Iterator[Chunk]:
    """The chunks of extents, in their order; the next ones are under way while one is consumed.

    An object that is read from its beginning to its end is held against its checksum when the last chunk is there;
    one no larger than a chunk, before it is handed out. What an ETL makes of an object, and objects of a user's own
    sources, come whole, in one chunk.

    Args:
        reader: How objects are read.
        index: What the positions of extents mean.
        extents: What is wanted; taken from the iterable as there is room.
        chunk_size: Bytes of a chunk, at most.
        pool: Memory for chunks, in buffers of at least that size; the consumer gives each chunk's back. Without it
            chunks are `bytes`.

    Raises:
        AIStorchError: An object could not be read, or was replaced meanwhile; the chunks before have been handed out.
    """

    def channel_of(numbered: tuple[int, Extent]) -> int:
        return reader.channel_of(int(index.sources[numbered[1].position]))

    for channel, group in groupby(enumerate(extents), key=channel_of):
        settings = reader.channels[channel]
        if settings is None:
            yield from _foreign(reader, index, group)
        else:
            yield from _Ranges(reader, index, settings, chunk_size, pool).stream(group)


def _foreign(reader: Reader, index: ObjectIndex, extents: Iterable[tuple[int, Extent]]) -> Iterator[Chunk]:
    for number, extent in extents:
        for run in read_objects([index.foreign[extent.position]], reader.etl):
            for _, content in run:
                yield Chunk(number, content[extent.start : extent.stop], True)


class _Expected(NamedTuple):
    """What one request will bring."""

    number: int
    first: bool
    last: bool
    whole: bool  # whether the extent is all of the object
    buffer: memoryview | None = None
    part: slice = slice(None)  # of what comes, where all of the object must be asked for


class _Ranges:
    """Extents of the objects of one cluster."""

    def __init__(
        self,
        reader: Reader,
        index: ObjectIndex,
        settings: ClusterSettings,
        chunk_size: int,
        pool: BufferPool | None,
    ) -> None:
        self._reader = reader
        self._index = index
        self._settings = settings
        self._chunk_size = chunk_size
        self._pool = pool
        self._expected: deque[_Expected] = deque()

    def stream(self, extents: Iterable[tuple[int, Extent]]) -> Iterator[Chunk]:
        """All their chunks."""
        check = _Check(self._reader.config.verify)
        with engines.lend(self._settings, self._reader.config) as engine:
            for run in engine.deliver(self._requests(extents)):
                for request, content in run:
                    expected = self._expected.popleft()
                    size, version = _whole(request, content)
                    if not (expected.first and expected.last):  # else the transport has checked it
                        check.take(request, content, expected)
                        if check.is_of_ranges:
                            version = None
                    yield Chunk(expected.number, content[expected.part], expected.last, expected.buffer, size, version)

    def _requests(self, extents: Iterable[tuple[int, Extent]]) -> Iterator[Request]:
        extents, position = iter(extents), 0
        while block := list(islice(extents, _BLOCK)):
            page = self._index.take(np.array([extent.position for _, extent in block], dtype=np.int64))
            requests = requests_for(page, self._reader.routes, engines.cluster(self._settings))
            for (number, extent), request in zip(block, requests, strict=True):
                for piece in self._pieces(request, number, extent):
                    piece.position = position
                    position += 1
                    yield piece

    def _pieces(self, request: Request, number: int, extent: Extent) -> Iterator[Request]:
        size = request.size
        stop = size if extent.stop is None else min(extent.stop, size)
        whole = extent.start == 0 and stop == size
        if size == UNKNOWN_SIZE or (whole and size <= self._chunk_size):
            self._expected.append(_Expected(number, True, True, True, part=slice(extent.start, extent.stop)))
            yield request
            return
        for start in range(extent.start, stop, self._chunk_size):  # each gets its memory when its turn comes
            end = min(start + self._chunk_size, stop)
            buffer = None if self._pool is None else self._pool.take()
            self._expected.append(_Expected(number, start == extent.start, end == stop, whole, buffer))
            yield request.slice(start, end, buffer)


def _whole(request: Request, content: Content) -> tuple[int, Version]:
    """Size and version of the object that the content is of."""
    body = None if request.part is None else request.part.body
    return (len(content), request.version) if body is None else (body.size, body.version)


class _Check:
    """Holds the chunks of one object after another against what the server announced.

    A reply with a range announces the checksum of the whole object; of the range itself in buckets with the property
    `checksum.enable_read_range`.
    """

    def __init__(self, verify: bool) -> None:
        self._verify = verify
        self._announced: Version = None
        self._digest = xxhash.xxh64()
        self._each = False

    @property
    def is_of_ranges(self) -> bool:
        """Whether what is announced are the checksums of the chunks, and not of the object."""
        return self._each

    def take(self, request: Request, content: Content, expected: _Expected) -> None:
        """Adds a chunk.

        Raises:
            ObjectReplacedError: The object was replaced while it was read.
            ChecksumError: The chunk, or the whole that it ends, is not what was stored.
        """
        announced = request.part.body.checksum if request.part is not None else None
        version = request.part.body.version if request.part is not None else None
        if expected.first:
            self._announced, self._digest = version, xxhash.xxh64(content)
            self._each = self._digest.intdigest() == announced
        elif self._each:
            self._compare(request, xxhash.xxh64_intdigest(content), announced)
        elif version != self._announced:
            raise ObjectReplacedError(
                request.url, causes=["another version came than before"], hint="Read it once more"
            )
        elif self._verify and expected.whole:
            self._digest.update(content)
            if expected.last:
                self._compare(request, self._digest.intdigest(), announced)

    def _compare(self, request: Request, found: int, announced: int | None) -> None:
        if self._verify and announced is not None and found != announced:
            cause = f"its bytes have the checksum {found:016x}, not {announced:016x}"
            hint = "What was made of the part before may be damaged, too"
            raise ChecksumError(request.url, causes=[cause], hint=hint)
