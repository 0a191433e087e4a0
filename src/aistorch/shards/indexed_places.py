"""Where the files of a shard lie, by the index beside it: headers need not be read."""

from __future__ import annotations

from bisect import bisect_right

from aistorch.errors import TruncatedShardError
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.places import Place, Places
from aistorch.shards.tar_reader import Chunk


class IndexedPlaces:
    """Tells what `TarHeaders` finds, of an index that is known to be that of the shard and in the shard's order.

    Args:
        shard: Name of the shard, for errors.
        index: Its files.
        origin: Where in the shard the first chunk begins.
    """

    def __init__(self, shard: str, index: MemberIndex, origin: int = 0) -> None:
        self.shard = shard
        self._names, self._offsets, self._sizes = index.all_names, index.offsets.tolist(), index.sizes.tolist()
        self._base = origin
        self._next = bisect_right(self._offsets, origin)
        self._last: Place | None = None

    def feed(self, chunk: Chunk) -> Places:
        """The files whose headers end in this chunk, in the order of the archive."""
        self._base += len(chunk)
        first, stop = self._next, bisect_right(self._offsets, self._base)
        if first == stop:
            return Places([], [], [])
        self._next = stop
        places = Places(self._names[first:stop], self._offsets[first:stop], self._sizes[first:stop])
        self._last = places[-1]
        return places

    def close(self) -> None:
        """Says that no more chunks follow.

        Raises:
            TruncatedShardError: The last file is not complete.
        """
        if self._last is None:
            return
        name, offset, size, _ = self._last
        if (missing := offset + size - self._base) > 0:
            raise TruncatedShardError(self.shard, name, self._base, f"{missing} of {size} bytes are missing")
