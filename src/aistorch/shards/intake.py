"""One shard on its way in: uncompressed, and held back until it is known what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import NamedTuple

from aistorch.fetch.body import Content
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import Chunk
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.tar import TarHeaders


class Plain(NamedTuple):
    """Bytes of an archive that is not compressed, or no longer.

    Attributes:
        content: They themselves.
        buffer: The memory to be given back when they have been used; None where it is nobody's.
    """

    content: Content
    buffer: memoryview | None


class Intake:
    """Takes the chunks of one piece of a shard, and says from when on its samples can be made.

    A sample has all extensions of its shard, and is named by what the others are called. Where nobody knows that of a
    shard, a pass over its headers finds it out while its bytes are held back: they cost less to hold than the samples
    made of them, whose memory would be new.

    Args:
        catalog: Who may know, and is told.
        piece: Which shard it is.
        number: Of the piece.
        first: Number of the sample that the first chunk begins with.
        hold: How many bytes may be held back until the server is asked. None: hold none.
        pool: Where the memory of chunks is given back.
        answer: What the server will say, where it has been asked.
    """

    def __init__(
        self,
        catalog: Catalog,
        piece: Piece,
        number: int,
        first: int,
        hold: int | None,
        pool: BufferPool,
        answer: Future[Facts | None] | None = None,
    ) -> None:
        self.piece, self.number, self.first = piece, number, first
        self._catalog = catalog
        self._pool = pool
        self._hold = hold or 0
        self._held = 0
        self._answer = answer
        self._unseen: list[Content] = []  # what has come while the answer was awaited
        self._names: list[str] = []
        self._decompressor: Decompressor | None = None
        known = hold is None or catalog.facts(piece.shard) is not None
        self._headers = None if known else TarHeaders(catalog.url(piece.shard))

    @property
    def is_known(self) -> bool:
        """Whether samples can be made of what has come."""
        return self._headers is None

    def feed(self, chunk: Chunk) -> Iterator[Plain]:
        """What the next chunk brings.

        Raises:
            ShardError: The shard is damaged.
        """
        if self._decompressor is None:
            self._decompressor = decompressor_for(chunk.content, self._catalog.url(self.piece.shard))
        is_plain = type(self._decompressor) is Decompressor
        for content in self._decompressor.feed(chunk.content):
            if self._headers is not None:
                self._hold_back(content)
            yield Plain(content, chunk.buffer if is_plain else None)
        if chunk.buffer is not None and not is_plain:
            self._pool.give_back(chunk.buffer)

    def close(self) -> None:
        """Says that all has come.

        Raises:
            ShardError: The shard ended too early.
        """
        if self._decompressor is not None:
            self._decompressor.close()
        if self._answer is not None:
            self._take_answer(self._answer)
        if self._headers is not None:
            self._headers.close()
            self._catalog.learn(self.piece.shard, Facts.of_names(self._names))
            self._headers = None

    def _hold_back(self, content: Content) -> None:
        self._held += len(content)
        if self._answer is None:
            self._look_into(content)
            return
        self._unseen.append(content)
        if self._answer.done() or self._held > self._hold:
            self._take_answer(self._answer)

    def _take_answer(self, answer: Future[Facts | None]) -> None:
        unseen, self._unseen, self._answer = self._unseen, [], None
        if answer.result() is not None:
            self._headers = None
        for content in unseen:
            self._look_into(content)

    def _look_into(self, content: Content) -> None:
        headers = self._headers
        if headers is None:
            return
        self._names += [entry[0] for entry in headers.feed(content)]
        if self._held > self._hold:
            self._held = 0  # asked once more when as much has come again
            if self._catalog.ask_server(self.piece.shard) is not None:
                self._headers = None
