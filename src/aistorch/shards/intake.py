"""One shard on its way in: uncompressed, and held back until it is known what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from aistorch.errors import AIStorchError, ShardError
from aistorch.fetch.body import Content
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import Chunk
from aistorch.fetch.request import UNKNOWN_SIZE
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.indexed_places import IndexedPlaces
from aistorch.shards.limits import UNLIMITED, Limits
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.places import Places
from aistorch.shards.proofs import proofs
from aistorch.shards.tar import TarHeaders
from aistorch.shards.versions import Seen


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
        to_end: Whether they end with the shard.
    """

    number: int
    piece: Piece
    first: int
    origin: int
    to_end: bool = True

    @property
    def is_part(self) -> bool:
        """Whether they are a part of the shard, cut out by an index, or chosen by what that counts."""
        return bool(self.origin) or not self.to_end or not self.piece.takes_rest


class StaleShard(AIStorchError):
    """The shard was overwritten since a part of it was chosen; nothing of that part has been handed out yet."""

    def __init__(self, wanted: Wanted, misled: bool = False) -> None:
        super().__init__(f"shard {wanted.piece.shard} is another one than was known")
        self.wanted = wanted
        self.misled = misled  # by the index beside it


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
        version: That of the shard, as far as it is known.
        limits: How large its files and samples may be.

    Args:
        catalog: Who may know, and is told.
        wanted: Which piece it is.
        pool: Where the memory of chunks is given back.
        hold: How many bytes may be held back until the server is asked. None: hold none.
        index: That beside the shard, if there is one.
        answer: What the server will say, where it has been asked.
        every_file: Whether files count that belong to no sample, too.
    """

    def __init__(
        self,
        catalog: Catalog,
        wanted: Wanted,
        pool: BufferPool,
        hold: int | None,
        index: MemberIndex | None = None,
        answer: Future[Facts | None] | None = None,
        every_file: bool = False,
    ) -> None:
        self.wanted = wanted
        self.shard = catalog.url(wanted.piece.shard)
        self._catalog = catalog
        self._pool = pool
        self._needs_facts = hold is not None
        self._hold = hold or 0
        self._held = 0
        self._answer = answer
        self._names: list[str] = []  # as long as it is not known what the shard holds
        self._index = index
        self._indexed: IndexedPlaces | None = None  # the finder, where that is one
        self._decompressor: Decompressor | None = None
        self._finder: Finder = TarHeaders(self.shard, wanted.origin)
        self._seen: Seen | None = None
        self._every_file = every_file
        self._dealt: Facts | None = None  # by which the shard was dealt in parts; the server does not count links
        self.version = Seen(UNKNOWN_SIZE, None)
        self.limits = UNLIMITED
        self.is_known = not self._needs_facts

    def feed(self, chunk: Chunk) -> Iterator[Plain]:
        """What the next chunk brings.

        Raises:
            ShardError: The shard is damaged.
            StaleShard: It is another one than the part of it that is wanted was cut from.
        """
        first = self._decompressor is None
        decompressor = self._decompressor or self._begin(chunk)
        is_plain = type(decompressor) is Decompressor
        for content in decompressor.feed(chunk.content):
            places = self._finder.feed(content)
            if self._indexed is not None and self._indexed.astray:
                self._go_astray(first)
            if not self.is_known:
                self._hold_back(content, places, chunk.last and is_plain)
            elif self._dealt is not None:
                self._names += places.names
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
        if self._indexed is not None and self.wanted.to_end and not self._indexed.is_complete:
            self._go_astray(first=False)
        if not self.is_known:
            self._learn()
        if self._dealt is not None:
            self._check_count(self._dealt)

    def _begin(self, chunk: Chunk) -> Decompressor:
        """Holds what is known of the shard against what its first chunk announces, and says how to uncompress it."""
        catalog, wanted, index = self._catalog, self.wanted, self._index
        shard = wanted.piece.shard
        if index is not None and Seen(index.shard_size, index.shard_checksum or None).differs(chunk):
            if wanted.is_part:
                raise StaleShard(wanted)
            catalog.give_up_index(shard, f"the index of {self.shard} is not that of the shard as it is now")
            index = None
        elif index is None and wanted.piece.takes_rest and catalog.known_version(shard).differs(chunk):
            catalog.forget(shard)
        is_cut = wanted.origin > 0 or not wanted.to_end
        if index is None and is_cut:  # it has been given up meanwhile
            raise StaleShard(wanted)
        if index is None and not wanted.piece.takes_rest:
            self._dealt = catalog.facts(shard)
        self.version = Seen(chunk.size, chunk.version)
        plain = Decompressor(self.shard)
        decompressor = self._decompressor = plain if wanted.origin else decompressor_for(chunk.content, self.shard)
        stored, is_compressed = max(chunk.size, len(chunk.content)), type(decompressor) is not Decompressor
        self.limits = Limits.of(catalog.reader.config.limits, stored, is_compressed)
        if index is not None and index.is_in_order and type(decompressor) is Decompressor:
            proof = proofs.of(index) if chunk.version == index.shard_checksum else None
            self._finder = self._indexed = IndexedPlaces(self.shard, index, wanted.origin, proof)
        self.is_known = not self._needs_facts or catalog.facts(shard, index) is not None
        if not self.is_known:
            self._seen = Seen.of(chunk)
        return decompressor

    def _go_astray(self, first: bool) -> None:
        """Goes on without the index, which says something else than the shard's headers."""
        if self.wanted.is_part:
            if first:
                raise StaleShard(self.wanted, misled=True)
            problem = "its index does not tell where its files are, and a part of it was to be read by that"
            raise ShardError(self.shard, problem=f"{problem}: write the index anew, and make the dataset anew")
        self._indexed = None
        cause = f"the index of {self.shard} does not tell where its files are: write it anew"
        self._catalog.give_up_index(self.wanted.piece.shard, cause)
        if first:  # nothing has been made by what the index said
            self.is_known = not self._needs_facts

    def _check_count(self, dealt: Facts) -> None:
        found = Facts.of_names(self._names)
        before, now = (dealt.files, found.files) if self._every_file else (dealt.samples, found.samples)
        if before not in (now, -1):
            what = "files" if self._every_file else "samples"
            problem = f"it had {before} {what} when it was dealt in parts, and has {now} now: it was overwritten (make "
            problem += "the dataset anew), or has links, which AIStore does not count (write an index beside it)"
            raise ShardError(self.shard, problem=problem)

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
        self._catalog.learn(self.wanted.piece.shard, Facts.of_names(self._names), self._seen)
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
