"""The samples of one piece of a shard after another, the next ones on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from aistorch.fetch.chunks import Extent, stream_chunks
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.tar import Member
from aistorch.shards.zip import ZIP_SUFFIX, zip_members

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
# Of a TAR archive: headers begin at multiples of it.
BLOCK = 512


class Run(NamedTuple, Generic[T]):
    """Samples that have become available together.

    Attributes:
        piece: Number of the piece that they are of.
        first: How many samples of that piece came before.
        samples: They themselves.
    """

    piece: int
    first: int
    samples: list[T]


class SampleStream(Protocol[T_co]):
    """Makes samples of one piece of a shard."""

    def feed(self, chunk: bytes) -> Sequence[T_co]:
        """The samples that are complete with these bytes."""

    def take(self, members: list[Member]) -> Sequence[T_co]:
        """The samples that are complete with these files."""

    def close(self) -> Sequence[T_co]:
        """The last samples."""


class PieceReader(Generic[T]):
    """Reads pieces of shards.

    Args:
        reader: How bytes are read.
        catalog: The shards.
        open_stream: Given a piece, its number among all, and the number of the sample that its first chunk begins
            with, makes its stream. Called in the order of the pieces; not for one that takes no samples.
    """

    def __init__(
        self, reader: Reader, catalog: Catalog, open_stream: Callable[[Piece, int, int], SampleStream[T]]
    ) -> None:
        self._reader = reader
        self._catalog = catalog
        self._open = open_stream

    def stream(self, pieces: Sequence[Piece]) -> Iterator[Run[T]]:
        """The samples of all pieces, in order.

        Raises:
            AIStorchError: A shard could not be read, or is damaged; what came before has been handed out.
        """
        for is_zip, group in groupby(enumerate(pieces), lambda numbered: self._is_zip(numbered[1])):
            if is_zip:
                yield from self._zips(group)
            else:
                yield from _paced(self._tars(group))

    def _is_zip(self, piece: Piece) -> bool:
        shards = self._catalog.shards
        is_foreign = bucket_of(self._reader.sources[int(shards.sources[piece.shard])]) is None
        return shards.name(piece.shard).endswith(ZIP_SUFFIX) and self._reader.etl is None and not is_foreign

    def _zips(self, pieces: Iterable[tuple[int, Piece]]) -> Iterator[Run[T]]:
        for number, piece in pieces:
            if is_empty(piece):
                continue
            stream = self._open(piece, number, 0)
            position = np.array([piece.shard])
            taken = 0
            for members in zip_members(self._reader, self._catalog.shards.take(position)):
                if samples := stream.take(members):
                    yield Run(number, taken, samples)
                    taken += len(samples)
            if samples := stream.close():
                yield Run(number, taken, samples)

    def _tars(self, pieces: Iterable[tuple[int, Piece]]) -> Iterator[tuple[int, Run[T]]]:
        """How many bytes have arrived, and the samples that they completed."""
        awaited: deque[tuple[int, Piece, int]] = deque()

        def extents() -> Iterator[Extent]:
            for number, piece in pieces:
                extent, first = self._extent(piece)
                if extent.stop is None or extent.start < extent.stop:
                    awaited.append((number, piece, first))
                    yield extent

        stream, number, taken = None, 0, 0
        for chunk in stream_chunks(self._reader, self._catalog.shards, extents()):
            if stream is None:
                number, piece, first = awaited.popleft()
                stream, taken = self._open(piece, number, first), 0
            samples = list(stream.feed(chunk.content))
            if chunk.last:
                samples += stream.close()
                stream = None
            yield len(chunk.content), Run(number, taken, samples)
            taken += len(samples)

    def _extent(self, piece: Piece) -> tuple[Extent, int]:
        """The bytes to read, and the number of the sample that they begin with: all, unless an index tells more."""
        if is_empty(piece):
            return Extent(piece.shard, 0, 0), 0
        everything = Extent(piece.shard), 0
        if piece.step != 1 or (piece.first == 0 and piece.stop is None) or self._catalog.shards.sizes[piece.shard] < 0:
            return everything
        index = self._catalog.index(piece.shard)
        if index is None or not is_in_order(index):
            return everything
        if piece.first >= len(index):
            return Extent(piece.shard, 0, 0), 0
        start = 0 if piece.first == 0 else _aligned(index.span(piece.first - 1)[1])
        stop = None if piece.stop is None or piece.stop >= len(index) else _aligned(index.span(piece.stop - 1)[1])
        return Extent(piece.shard, start, stop), piece.first


def is_empty(piece: Piece) -> bool:
    """Whether a piece takes no samples, whatever the shard holds."""
    return piece.stop is not None and piece.first >= piece.stop


def is_in_order(index: MemberIndex) -> bool:
    """Whether the files of each sample stand side by side, so that a range of bytes holds a range of samples."""
    return bool((np.diff(index.offsets) > 0).all())


def _aligned(offset: int) -> int:
    """Where the header behind a content that ends here begins."""
    return -(-offset // BLOCK) * BLOCK


def _paced(arriving: Iterable[tuple[int, Run[T]]]) -> Iterator[Run[T]]:
    """Hands out about as many bytes as arrive.

    The samples of a shard may have to wait for its end. If all of them were handed out before the next bytes are taken
    in, nothing would arrive meanwhile; so the next shard comes in while this one goes out.
    """
    waiting: deque[tuple[Run[T], float]] = deque()  # with the mean bytes of its samples
    collected, credit = 0, 0.0
    try:
        for size, run in arriving:
            collected += size
            credit += size
            if run.samples:
                waiting.append((run, collected / len(run.samples)))
                collected = 0
            while waiting and credit > 0:
                run, mean = waiting.popleft()
                count = -int(-credit // max(mean, 1.0))
                credit -= min(count, len(run.samples)) * mean
                yield Run(run.piece, run.first, run.samples[:count])
                if count < len(run.samples):
                    waiting.appendleft((Run(run.piece, run.first + count, run.samples[count:]), mean))
            if not waiting:
                credit = 0.0
    except Exception:  # raised once all that came before has been handed out
        yield from (run for run, _ in waiting)
        raise
    yield from (run for run, _ in waiting)
