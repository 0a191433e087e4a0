"""One pass over the headers of shards: what they hold, and where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from aistorch.errors import ShardError
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import CHUNK_SIZE, Extent, stream_chunks
from aistorch.fetch.reader import Reader
from aistorch.fetch.request import UNKNOWN_SIZE
from aistorch.index.object_index import ObjectIndex
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.limits import UNLIMITED, Limits
from aistorch.shards.member_index import UNKNOWN_CHECKSUM, MemberIndex
from aistorch.shards.places import Place
from aistorch.shards.resolved import resolved
from aistorch.shards.tar import TarHeaders
from aistorch.shards.tar_sparse import SparseMap
from aistorch.shards.versions import Seen


class Scanned(NamedTuple):
    """What a pass over the headers of a shard has found.

    Attributes:
        places: The files.
        compressed: Whether the shard is.
        seen: The version of the shard.
    """

    places: list[Place]
    compressed: bool
    seen: Seen

    @property
    def facts(self) -> Facts:
        """What they tell of the shard."""
        return Facts.of_names([place[0] for place in self.places])

    @property
    def has_ranges(self) -> bool:
        """Whether each of its files can be read alone."""
        return not self.compressed and not any(isinstance(place[3], SparseMap) for place in self.places)

    def check_ranges(self, url: str) -> None:
        """Refuses a shard of which not every file can be read alone.

        Raises:
            ShardError: It is compressed, or holds a sparse file.
        """
        if self.compressed:
            problem = "it is compressed, so none of its samples can be read alone; use AISShardReader"
            raise ShardError(url, problem=problem)
        for place in self.places:
            if isinstance(place[3], SparseMap):
                raise ShardError(url, place[0], problem="a sparse file cannot be read alone; use AISShardReader")

    def to_index(self, url: str, listed_size: int) -> MemberIndex:
        """The index of the shard; its size as listed is for where the reply did not tell it."""
        size, version = self.seen
        size = size if size >= 0 else listed_size
        checksum = version if isinstance(version, int) else UNKNOWN_CHECKSUM
        places, heads = resolved(url, self.places)
        made = MemberIndex.from_entries([place[:3] for place in places], size, checksum, url)
        return replace(made, heads=heads) if heads else made


def scan(
    reader: Reader, listed: ObjectIndex, shards: Sequence[int], url_of: Callable[[int], str]
) -> Iterator[tuple[int, Scanned]]:
    """Reads shards, and gives each with what its headers tell.

    Args:
        reader: How they are read.
        listed: The shards that were listed.
        shards: Which of these, by number.
        url_of: The URL of a shard by its number, for errors.
    """
    found: list[Place] = []
    headers = decompressor = None
    seen, limits = Seen(UNKNOWN_SIZE, None), UNLIMITED
    pool = BufferPool(CHUNK_SIZE)
    for chunk in stream_chunks(reader, listed, (Extent(shard) for shard in shards), pool=pool):
        url = url_of(shards[chunk.number])
        if headers is None or decompressor is None:
            headers, decompressor, found = TarHeaders(url), decompressor_for(chunk.content, url), []
            seen = Seen.of(chunk)
            compressed = type(decompressor) is not Decompressor
            limits = Limits.of(reader.config.limits, max(chunk.size, len(chunk.content)), compressed)
        for plain in decompressor.feed(chunk.content):
            found += headers.feed(plain)
            if found:
                limits.check_list(url, found[-1][0], len(found))
        if chunk.buffer is not None:
            pool.give_back(chunk.buffer)
        if chunk.last:
            decompressor.close()
            headers.close()
            yield shards[chunk.number], Scanned(found, type(decompressor) is not Decompressor, seen)
            headers = None
