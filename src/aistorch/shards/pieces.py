"""The samples of one piece of a shard after another, the next ones on their way."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Generic, Protocol, TypeVar

import numpy as np

from aistorch.config import ReadConfig
from aistorch.errors import AIStorchError, ObjectReplacedError, ShardError
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import CHUNK_SIZE, Extent, stream_chunks
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.indices_ahead import IndicesAhead
from aistorch.shards.inquiries import Inquiries
from aistorch.shards.intake import Intake, Plain, StaleShard, Wanted
from aistorch.shards.linked import LinkedFiles
from aistorch.shards.tar_contents import Files, TarContents
from aistorch.shards.zip import ZIP_SUFFIX, zip_members

T = TypeVar("T")
# Of a TAR archive: headers begin at multiples of it.
BLOCK = 512
# The part of the byte budget that is in flight.
_IN_FLIGHT = 4
# How often a shard is looked at anew, because it was overwritten, before that is an error.
_RENEWED = 3


@dataclass(frozen=True)
class Run(Generic[T]):
    """Samples that have become available together.

    Attributes:
        piece: Number of the piece that they are of.
        first: How many samples of that piece came before.
        samples: They themselves.
    """

    piece: int
    first: int
    samples: list[T]


class SampleStream(Protocol[T]):
    """Makes samples of one piece of a shard."""

    def take(self, files: Files) -> list[T]:
        """The samples that are complete with these files."""

    def close(self) -> list[T]:
        """The last samples."""

    @property
    def held(self) -> tuple[int, str]:
        """Bytes that are kept for samples which are not complete, and the last file of them."""


class PieceReader(Generic[T]):
    """Reads pieces of shards.

    Args:
        reader: How bytes are read.
        catalog: The shards.
        open_stream: Given a piece, its number among all, and the number of the sample that its first chunk begins
            with, makes its stream. Called in the order of the pieces; not for one that takes no samples.
        hold: Bytes of a shard that may be held back until it is known what it holds; None: that need not be known.
        every_file: Whether files count that belong to no sample, too.
    """

    def __init__(
        self,
        reader: Reader,
        catalog: Catalog,
        open_stream: Callable[[Piece, int, int], SampleStream[T]],
        hold: int | None = None,
        every_file: bool = False,
    ) -> None:
        self._reader = reader
        self._every_file = every_file
        self._catalog = catalog
        self._open = open_stream
        self._hold = hold

    def stream(self, pieces: Iterable[Piece]) -> Iterator[Run[T]]:
        """The samples of all pieces, in order; asks for the next pieces some time before they come.

        Raises:
            AIStorchError: A shard could not be read, or is damaged; what came before has been handed out.
        """
        for is_zip, group in groupby(enumerate(pieces), lambda numbered: self._is_zip(numbered[1])):
            if is_zip:
                yield from self._zips(group)
            else:
                yield from self._tars(group)

    def _is_zip(self, piece: Piece) -> bool:
        shards = self._catalog.shards
        is_foreign = bucket_of(self._reader.sources[int(shards.sources[piece.shard])]) is None
        return shards.name(piece.shard).endswith(ZIP_SUFFIX) and self._reader.etl is None and not is_foreign

    def _zips(self, pieces: Iterable[tuple[int, Piece]]) -> Iterator[Run[T]]:
        for number, piece in pieces:
            if is_empty(piece):
                continue
            if self._hold is not None and self._catalog.facts(piece.shard) is None:
                self._catalog.ask_server(piece.shard)
            stream = self._open(piece, number, 0)
            position = np.array([piece.shard])
            taken = 0
            for members in zip_members(self._reader, self._catalog.shards.take(position)):
                if samples := stream.take(members):
                    yield Run(number, taken, samples)
                    taken += len(samples)
            if samples := stream.close():
                yield Run(number, taken, samples)

    def _tars(self, pieces: Iterable[tuple[int, Piece]]) -> Iterator[Run[T]]:
        """Their samples, about as many bytes of them as arrive.

        What was held back is not handed out all at once, else nothing would arrive meanwhile: the next shard comes in
        while this one goes out.
        """
        pool = BufferPool(CHUNK_SIZE)
        renewed: Counter[int] = Counter()
        rest = iter(pieces)
        while True:
            awaited: deque[Wanted] = deque()
            try:
                with closing(self._arrivals(rest, awaited, pool)) as arrivals:
                    yield from self._decoded(arrivals, _Decoder(self._open, self._linked, pool))
                return
            except StaleShard as stale:
                renewed[stale.wanted.piece.shard] += 1
                self._renew(stale.wanted, stale.misled, renewed[stale.wanted.piece.shard])
                unread = [(wanted.number, wanted.piece) for wanted in (stale.wanted, *awaited)]
                rest = chain(unread, rest)

    def _renew(self, wanted: Wanted, misled: bool, times: int) -> None:
        """Has the catalog look at a shard that was overwritten before a part of it has been read.

        Raises:
            ShardError: It has not as many samples as before, or is overwritten again and again.
        """
        catalog, shard = self._catalog, wanted.piece.shard
        before = catalog.facts(shard)
        if times > _RENEWED:
            raise ShardError(catalog.url(shard), problem="it is overwritten again and again while it is read")
        catalog.renew(shard, misled)
        if (
            before is not None
            and not wanted.piece.takes_rest
            and (count := catalog.counts([shard])[0]) != before.samples
        ):
            problem = f"it had {before.samples} samples when it was dealt in parts, and has {count} now that it was "
            raise ShardError(catalog.url(shard), problem=f"{problem}overwritten: make the dataset anew")

    def _decoded(self, arrivals: Iterator[tuple[Intake, Plain | None]], decoder: _Decoder[T]) -> Iterator[Run[T]]:
        waiting: deque[tuple[Intake, Plain | None]] = deque()
        failure, credit = None, 0
        while True:
            try:
                intake, plain = next(arrivals)
            except StopIteration:
                break
            except AIStorchError as error:  # raised below, once all that came before it has been handed out
                failure = error
                break
            waiting.append((intake, plain))
            credit = min(credit, 0) + (len(plain.content) if plain else 1)
            while waiting and waiting[0][0].is_known and credit > 0:
                intake, plain = waiting.popleft()
                credit -= len(plain.content) if plain else 0
                yield from decoder.runs(intake, plain)
        with waiting[-1][0].settled() if waiting else nullcontext():
            for intake, plain in waiting:
                yield from decoder.runs(intake, plain)
        if failure is not None:
            raise failure

    def _arrivals(
        self, pieces: Iterable[tuple[int, Piece]], awaited: deque[Wanted], pool: BufferPool
    ) -> Generator[tuple[Intake, Plain | None], None, None]:
        """The bytes of all shards, each shard's end as None; `awaited` are the pieces that have been asked for."""
        indices, inquiries = IndicesAhead(self._catalog), Inquiries(self._catalog)

        def extents() -> Iterator[Extent]:
            for number, piece in pieces:
                extent, first = self._extent(piece)
                if extent.stop is None or extent.start < extent.stop:
                    awaited.append(Wanted(number, piece, first, extent.start, extent.stop is None))
                    if self._is_too_large(piece):
                        inquiries.ask(piece.shard)
                    yield extent

        intake = None
        try:
            chunks = stream_chunks(self._reader, self._catalog.shards, extents(), pool=pool)
            while True:
                try:
                    chunk = next(chunks)
                except StopIteration:
                    break
                except ObjectReplacedError as error:
                    if intake is not None:
                        raise
                    raise StaleShard(awaited.popleft()) from error
                if intake is None:
                    wanted = awaited.popleft()
                    shard = wanted.piece.shard
                    index = indices.of(shard, (other.piece.shard for other in awaited))
                    answer = inquiries.of(shard)
                    intake = Intake(self._catalog, wanted, pool, self._hold, index, answer, self._every_file)
                for plain in intake.feed(chunk):
                    yield intake, plain
                if chunk.last:
                    intake.close()
                    yield intake, None
                    intake = None
        finally:
            inquiries.close()

    def _linked(self, intake: Intake) -> LinkedFiles:
        limit = self._reader.config.budget * _IN_FLIGHT
        return LinkedFiles(self._catalog, intake.wanted.piece.shard, intake.version, limit, self._every_file)

    def _is_too_large(self, piece: Piece) -> bool:
        """Whether a shard of which nothing is known cannot be held back."""
        too_large = self._hold is not None and int(self._catalog.shards.sizes[piece.shard]) > self._hold
        catalog, shard = self._catalog, piece.shard
        return too_large and not catalog.index_size(shard) and catalog.facts(shard) is None

    def _extent(self, piece: Piece) -> tuple[Extent, int]:
        """The bytes to read, and the number of the sample that they begin with: all, unless an index tells more."""
        if is_empty(piece):
            return Extent(piece.shard, 0, 0), 0
        everything = Extent(piece.shard), 0
        if piece.step != 1 or (piece.first == 0 and piece.stop is None) or self._catalog.shards.sizes[piece.shard] < 0:
            return everything
        index = self._catalog.index(piece.shard)
        if index is None or not index.is_in_order:
            return everything
        if piece.first >= len(index):
            return Extent(piece.shard, 0, 0), 0
        start = 0 if piece.first == 0 else _aligned(index.span(piece.first - 1)[1])
        stop = None if piece.stop is None or piece.stop >= len(index) else _aligned(index.span(piece.stop - 1)[1])
        return Extent(piece.shard, start, stop), piece.first


def in_flight(config: ReadConfig) -> ReadConfig:
    """The config to read shards with: the rest of the byte budget is for shards that are held back, or kept."""
    return replace(config, budget=max(1, config.budget // _IN_FLIGHT))


def is_empty(piece: Piece) -> bool:
    """Whether a piece takes no samples, whatever the shard holds."""
    return piece.stop is not None and piece.first >= piece.stop


def _aligned(offset: int) -> int:
    """Where the header behind a content that ends here begins."""
    return -(-offset // BLOCK) * BLOCK


class _Decoder(Generic[T]):
    """Makes samples of one shard after another."""

    def __init__(
        self,
        open_stream: Callable[[Piece, int, int], SampleStream[T]],
        linked: Callable[[Intake], LinkedFiles],
        pool: BufferPool,
    ) -> None:
        self._open = open_stream
        self._linked = linked
        self._pool = pool
        self._stream: SampleStream[T] | None = None
        self._contents = TarContents("")
        self._taken = 0

    def runs(self, intake: Intake, plain: Plain | None) -> Iterator[Run[T]]:
        """The samples that these bytes complete, or the end of the shard.

        Raises:
            ShardError: The shard is damaged, or exceeds a limit.
        """
        if self._stream is None:
            wanted = intake.wanted
            self._stream, self._taken = self._open(wanted.piece, wanted.number, wanted.first), 0
            self._contents = TarContents(intake.shard, wanted.origin, self._linked(intake).content, intake.limits)
        if plain is None:
            self._contents.close()
            stream, self._stream = self._stream, None
            yield self._run(intake, stream.close())
            return
        for files in self._contents.parts(plain.content, plain.places):
            samples = self._stream.take(files)
            yield self._run(intake, samples)
            held, name = self._stream.held
            intake.limits.check(intake.shard, name, held, "sample")
        if plain.buffer is not None:
            self._pool.give_back(plain.buffer)

    def _run(self, intake: Intake, samples: list[T]) -> Run[T]:
        run = Run(intake.wanted.number, self._taken, samples)
        self._taken += len(samples)
        return run
