"""From the chunks of one shard to its samples."""

from __future__ import annotations

from collections.abc import Callable

from aistorch.order.shards import Piece
from aistorch.shards.facts import Facts
from aistorch.shards.grouping import Group, Grouper
from aistorch.shards.grouping import Sample as KeyedSample
from aistorch.shards.names import base_name
from aistorch.shards.tar_contents import Files
from aistorch.shards.zero_dict import ZeroDict

ShardSample = tuple[str, ZeroDict]
"""A sample's name, and its files by extension."""


class ShardStream:
    """The samples of one piece of a shard, made of its files.

    Args:
        shard: Its URL, for errors.
        piece: Which samples are wanted.
        extensions: Those seen so far, in this order; the shard's are added to them, unless `declared`.
        facts: What is known of the shard; only if `declared`, nothing need be.
        declared: Whether `extensions` are all that there shall be.
        ask: Called when only the whole shard tells what samples are called; it may not know.
        group: See `Grouper`.
        first: Number of the sample that the first file belongs to.
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
        self._grouper = Grouper(shard, group)
        if facts is not None and not declared:
            extensions.update(dict.fromkeys(facts.extensions))

    def take(self, files: Files) -> list[ShardSample]:
        """The samples that are complete with the shard's next files, as far as they are wanted.

        Raises:
            ShardError: Samples cannot be told apart.
        """
        return [] if self._is_past_piece else self._take(self._grouper.feed(files))

    def close(self) -> list[ShardSample]:
        """The last samples."""
        return [] if self._is_past_piece else self._take(self._grouper.close())

    @property
    def held(self) -> tuple[int, str]:
        """Bytes that are kept for samples which are not complete, and the last file of them."""
        return self._grouper.held, self._grouper.latest

    def _take(self, samples: list[KeyedSample]) -> list[ShardSample]:
        if self._by_key is None and any("/" in key for key, _ in samples):
            # Without folders a key is a base name; with the first one, it must be known whether these are unique.
            facts = self._ask()
            self._by_key = facts is None or facts.by_key
        return self._named(self._wanted(samples))

    def _named(self, samples: list[KeyedSample]) -> list[ShardSample]:
        extensions, by_key, declared = self._extensions, self._by_key, self._declared
        known, named = list(extensions), []
        for key, files in samples:
            sample = files
            if list(files) != known:
                if not declared and not files.keys() <= extensions.keys():  # it has changed since it was looked at
                    extensions.update(dict.fromkeys(files))
                    known = list(extensions)
                sample = ZeroDict(files, extensions)
            named.append((key if by_key or "/" not in key else base_name(key), sample))
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
