"""The indices that were read last: pieces of one shard follow each other, and each wants its index."""

from __future__ import annotations

from aistorch.config import MIB
from aistorch.shards.member_index import MemberIndex

# Indices kept, and the bytes that their columns take together.
_COUNT = 16
_BYTES = 16 * MIB


class Latest:
    """Keeps some indices by the numbers of their shards; the last one in any case."""

    def __init__(self) -> None:
        self._kept: dict[int, MemberIndex] = {}  # the one used last at the end

    def get(self, shard: int) -> MemberIndex | None:
        """The index of a shard, if it is kept."""
        index = self._kept.pop(shard, None)
        if index is not None:
            self._kept[shard] = index
        return index

    def keep(self, shard: int, index: MemberIndex) -> None:
        """Keeps an index, in place of those that were used longest ago."""
        self._kept[shard] = index
        room = _BYTES
        for number, other in enumerate(reversed(list(self._kept))):
            room -= self._kept[other].nbytes
            if number and (number >= _COUNT or room < 0):
                del self._kept[other]

    def drop(self, shard: int) -> None:
        """Forgets one."""
        self._kept.pop(shard, None)
