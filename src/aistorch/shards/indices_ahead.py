"""The indices beside shards, read some at a time, so that no shard waits for a request of its own."""

from __future__ import annotations

from collections.abc import Iterable

from aistorch.config import MIB
from aistorch.shards.catalog import Catalog
from aistorch.shards.member_index import MemberIndex

# Stored bytes of indices, and how many of them, that are read at once.
_BYTES = 4 * MIB
_COUNT = 16


class IndicesAhead:
    """Indices in the order in which shards are read.

    Args:
        catalog: The shards.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._read: dict[int, MemberIndex | None] = {}

    def of(self, shard: int, following: Iterable[int]) -> MemberIndex | None:
        """The index of a shard, None where it has none; reads those of the following ones along with it.

        Warns:
            StaleShardIndexWarning: There is one, and it cannot be used.
        """
        if (kept := self._catalog.kept_index(shard)) is not None:
            return kept
        if not self._catalog.index_size(shard):
            return None
        if shard not in self._read:
            self._read = self._catalog.indices(self._some([shard, *following]))
        return self._read.get(shard)

    def _some(self, shards: Iterable[int]) -> list[int]:
        """The first of these that have indices, as many as are read at once."""
        chosen: dict[int, int] = {}
        for shard in shards:
            size = self._catalog.index_size(shard)
            if chosen and (len(chosen) == _COUNT or sum(chosen.values()) + size > _BYTES):
                break
            if size:
                chosen[shard] = size
        return list(chosen)
