"""From the chunks of one shard to its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aistorch.fetch.body import Content
from aistorch.order.shards import Piece
from aistorch.shards.facts import Facts
from aistorch.shards.grouping import Group, Grouper
from aistorch.shards.grouping import Sample as KeyedSample
from aistorch.shards.names import base_name
from aistorch.shards.tar import File, TarStream
from aistorch.shards.zero_dict import ZeroDict

ShardSample = tuple[str, ZeroDict]
"""A sample's name, and its files by extension."""


class ShardStream:
    """The samples of one piece of a shard, as its bytes arrive.

    Args:
        shard: Its URL, for errors.
        piece: Which samples are wanted.
        extensions: Those seen so far, in this order; the shard's are added to them, unless `declared`.
        facts: What is known of the shard; only if `declared`, nothing need be.
        declared: Whether `extensions` are all that there shall be.
        ask: Called when only the whole shard tells what samples are called; it may not know.
        group: See `Grouper`.
        first: Number of the sample that the first bytes begin with.
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
        group: Group,
        first: int = 0,
    ) -> None:
        self._piece = piece
        self._extensions = extensions
        self._declared = declared
        self._by_key = None if facts is None else facts.by_key
        self._ask = ask
        self._at = first
        self._tar = TarStream(shard)
        self._has_bytes = False
        self._grouper = Grouper(shard, group)
        if facts is not None and not declared:
            extensions.update(dict.fromkeys(facts.extensions))

    def feed(self, content: Content) -> list[ShardSample]:
        """The samples that are complete with these bytes of the archive, as far as they are wanted.

        Raises:
            ShardError: The shard is damaged, or its samples cannot be told apart.
        """
        if self._is_past_piece:
            return []
        self._has_bytes = True
        return self.take(self._tar.feed(content))

    def take(self, files: Sequence[File]) -> list[ShardSample]:
        """The same for files that have been taken out of the shard already."""
        return self._take(self._grouper.feed(files))

    def close(self) -> list[ShardSample]:
        """The last samples.

        Raises:
            ShardError: The shard ended too early, or is damaged.
        """
        if self._is_past_piece:
            return []
        if self._has_bytes:
            self._tar.close()
        return self._take(self._grouper.close())

    def _take(self, samples: list[KeyedSample]) -> list[ShardSample]:
        if self._by_key is None and any("/" in key for key, _ in samples):
            # Without folders a key is a base name; with the first one, it must be known whether these are unique.
            facts = self._ask()
            self._by_key = facts is None or facts.by_key
        return self._named(self._wanted(samples))

    def _named(self, samples: list[KeyedSample]) -> list[ShardSample]:
        extensions, by_key = self._extensions, self._by_key
        named = []
        for key, files in samples:
            if not self._declared and not files.keys() <= extensions.keys():  # it has changed since it was looked at
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
