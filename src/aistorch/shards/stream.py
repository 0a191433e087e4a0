"""From the chunks of one shard to its samples."""

from __future__ import annotations

from collections.abc import Callable

from aistorch.order.shards import Piece
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.grouping import Group, Grouper
from aistorch.shards.grouping import Sample as KeyedSample
from aistorch.shards.names import are_unique, base_name
from aistorch.shards.tar import Member, TarStream
from aistorch.shards.zero_dict import ZeroDict

ShardSample = tuple[str, ZeroDict]
"""A sample's name, and its files by extension."""


class ShardStream:
    """The samples of one piece of a shard, as its chunks arrive.

    A sample has all extensions of its shard, and is named by what the others are called; so until all that is known of
    a shard, its samples are held back.

    Args:
        shard: Its URL, for errors.
        piece: Which samples are wanted.
        extensions: Those seen so far, in this order; the shard's are added to them.
        facts: What is known of the shard; None: nothing.
        declared: Whether `extensions` had all of them from the beginning.
        ask: Called when more than `hold` bytes are held back; it may know nothing either.
        learn: Told what the shard held, where nobody knew.
        hold: Bytes.
        group: See `Grouper`.
        first: Number of the sample that the first chunk begins with.
    """

    def __init__(
        self,
        shard: str,
        piece: Piece,
        extensions: dict[str, None],
        *,
        facts: Facts | None,
        declared: bool,
        ask: Callable[[], Facts | None],
        learn: Callable[[Facts], None],
        hold: int,
        group: Group,
        first: int = 0,
    ) -> None:
        self._shard = shard
        self._piece = piece
        self._extensions = extensions
        self._by_key: bool | None = None
        self._declared = declared
        self._ask = ask
        self._learn = learn
        self._hold = hold
        self._at = first
        self._held: list[KeyedSample] = []
        self._held_bytes = 0
        self._decompressor: Decompressor | None = None
        self._tar = TarStream(shard)
        self._grouper = Grouper(shard, group)
        if facts is not None:
            self._know(facts)

    def feed(self, chunk: bytes) -> list[ShardSample]:
        """The samples that are complete with these bytes of the shard, as far as they are wanted.

        Raises:
            ShardError: The shard is damaged, or its samples cannot be told apart.
        """
        if self._is_past_piece:
            return []
        if self._decompressor is None:
            self._decompressor = decompressor_for(chunk, self._shard)
        ready: list[ShardSample] = []
        for plain in self._decompressor.feed(chunk):
            ready += self._take(self._grouper.feed(self._tar.feed(plain)), len(plain))
        return ready

    def take(self, members: list[Member]) -> list[ShardSample]:
        """The same for files that have been taken out of the shard already."""
        return self._take(self._grouper.feed(members), sum(len(content) for _, content, _ in members))

    def close(self) -> list[ShardSample]:
        """The last samples.

        Raises:
            ShardError: The shard ended too early, or is damaged.
        """
        if self._is_past_piece:
            return []
        if self._decompressor is not None:
            self._decompressor.close()
            self._tar.close()
        return self._take(self._grouper.close(), 0) + self._release()

    def _take(self, samples: list[KeyedSample], size: int) -> list[ShardSample]:
        if self._by_key is None and self._declared:
            self._look_for_folders(samples)
        if self._by_key is not None or self._declared:
            return self._named(self._wanted(samples))
        self._held += samples
        self._held_bytes += size
        if self._held_bytes > self._hold:
            self._held_bytes = 0  # asked once more when as much has come again
            if (facts := self._ask()) is not None:
                self._know(facts)
                held, self._held = self._held, []
                return self._named(self._wanted(held))
        return []

    def _look_for_folders(self, samples: list[KeyedSample]) -> None:
        """Without folders a key is a base name; with the first one, it must be known whether these are unique."""
        if any("/" in key for key, _ in samples):
            self._know(self._ask() or Facts((), by_key=True, samples=0))

    def _know(self, facts: Facts) -> None:
        self._by_key = facts.by_key
        self._extensions.update(dict.fromkeys(facts.extensions))

    def _release(self) -> list[ShardSample]:
        """All that was held back: the whole shard, at its end."""
        if self._by_key is not None or self._declared:
            return []
        held, self._held = self._held, []
        found = dict.fromkeys(extension for _, files in held for extension in files)
        facts = Facts(tuple(found), not are_unique([key for key, _ in held]), len(held))
        self._know(facts)
        self._learn(facts)
        return self._named(self._wanted(held))

    def _named(self, samples: list[KeyedSample]) -> list[ShardSample]:
        extensions, by_key = self._extensions, self._by_key
        named = []
        for key, files in samples:
            if not files.keys() <= extensions.keys():  # not declared, or the shard has changed since it was looked at
                extensions.update(dict.fromkeys(files))
            named.append((key if by_key else base_name(key), ZeroDict(files, extensions)))
        return named

    def _wanted(self, samples: list[KeyedSample]) -> list[KeyedSample]:
        """Those of the shard's next samples that belong to the piece."""
        first, self._at = self._at, self._at + len(samples)
        piece = self._piece
        if piece.is_whole:
            return samples
        stop = len(samples) if piece.stop is None else max(0, piece.stop - first)
        skip = piece.first - first if first <= piece.first else (piece.first - first) % piece.step
        return samples[skip : stop : piece.step]

    @property
    def _is_past_piece(self) -> bool:
        return self._piece.stop is not None and self._at >= self._piece.stop
