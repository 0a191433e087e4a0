"""One shard on its way in: uncompressed, and held back until it is known what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from aistorch.fetch.body import Content
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import Chunk
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.indexed_places import IndexedPlaces
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.places import Places
from aistorch.shards.tar import TarHeaders


class Plain(NamedTuple):
    """Bytes of an archive that is not compressed, or no longer.

    Attributes:
        content: They themselves.
        places: Of the files whose headers end in them.
        buffer: The memory to be given back when they have been used; None where it is nobody's.
    """

    content: Content
    places: Places
    buffer: memoryview | None


class Wanted(NamedTuple):
    """A piece of a shard that has been asked for.

    Attributes:
        number: Of the piece, among all.
        piece: It itself.
        first: Number of the sample that the bytes asked for begin with.
        origin: Where in the shard they begin.
    """

    number: int
    piece: Piece
    first: int
    origin: int


class Finder(Protocol):
    """Tells where files are, as the bytes of a shard arrive: `TarHeaders`, or `IndexedPlaces`."""

    def feed(self, chunk: Content) -> Places:
        """The files whose headers end in this chunk."""

    def close(self) -> None:
        """Says that no more chunks follow."""


class Intake:
    """Takes the chunks of one piece of a shard, and says from when on its samples can be made.

    A sample has all extensions of its shard, and is named by what the others are called. Where nobody knows that of a
    shard, a pass over its headers finds it out while its bytes are held back: they cost less to hold than the samples
    made of them, whose memory would be new.

    Attributes:
        wanted: As given.
        shard: Its URL.
        is_known: Whether samples can be made of what has come.

    Args:
        catalog: Who may know, and is told.
        wanted: Which piece it is.
        pool: Where the memory of chunks is given back.
        hold: How many bytes may be held back until the server is asked. None: hold none.
        index: That beside the shard, if there is one.
        answer: What the server will say, where it has been asked.
    """

    def __init__(
        self,
        catalog: Catalog,
        wanted: Wanted,
        pool: BufferPool,
        hold: int | None,
        index: MemberIndex | None = None,
        answer: Future[Facts | None] | None = None,
    ) -> None:
        self.wanted = wanted
        self.shard = catalog.url(wanted.piece.shard)
        self._catalog = catalog
        self._pool = pool
        self._hold = hold or 0
        self._held = 0
        self._answer = answer
        self._names: list[str] = []  # as long as it is not known what the shard holds
        self._decompressor: Decompressor | None = None
        self._finder: Finder
        if index is not None and catalog.is_exact(wanted.piece.shard, index):
            self._finder = IndexedPlaces(self.shard, index, wanted.origin)
        else:
            self._finder = TarHeaders(self.shard, wanted.origin)
        facts = catalog.facts(wanted.piece.shard, index)
        self.is_known = hold is None or facts is not None

    def feed(self, chunk: Chunk) -> Iterator[Plain]:
        """What the next chunk brings.

        Raises:
            ShardError: The shard is damaged.
        """
        if self._decompressor is None:
            self._decompressor = decompressor_for(chunk.content, self.shard)
        is_plain = type(self._decompressor) is Decompressor
        for content in self._decompressor.feed(chunk.content):
            places = self._finder.feed(content)
            if not self.is_known:
                self._hold_back(content, places, chunk.last)
            yield Plain(content, places, chunk.buffer if is_plain else None)
        if chunk.buffer is not None and not is_plain:
            self._pool.give_back(chunk.buffer)

    def close(self) -> None:
        """Says that all has come.

        Raises:
            ShardError: The shard ended too early, or is damaged.
        """
        if self._decompressor is not None:
            self._decompressor.close()
            self._finder.close()
        if not self.is_known:
            self._learn()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """While this lasts, what has come of the shard is taken for all of it: the rest cannot be read."""
        if self.is_known:
            yield
            return
        self._learn()
        try:
            yield
        finally:
            self._catalog.forget(self.wanted.piece.shard)

    def _learn(self) -> None:
        self._catalog.learn(self.wanted.piece.shard, Facts.of_names(self._names))
        self.is_known = True

    def _hold_back(self, content: Content, places: Places, last: bool) -> None:
        self._names += places.names
        self._held += len(content)
        too_much = self._held > self._hold
        if self._answer is not None and (too_much or self._answer.done()):
            self.is_known, self._answer = self._answer.result() is not None, None
        if too_much and not self.is_known and not last:
            # Where the server cannot tell, the shard is read twice rather than held.
            self._catalog.counts([self.wanted.piece.shard])
            self.is_known = True
