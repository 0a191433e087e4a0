"""Whether a shard is still the one that something is known of: what is known is held against what each reply says."""

from __future__ import annotations

from typing import NamedTuple

import xxhash

from aistorch.fetch.chunks import Chunk
from aistorch.fetch.reply import Version
from aistorch.fetch.request import UNKNOWN_SIZE


class Seen(NamedTuple):
    """A version of a shard.

    Attributes:
        size: Its bytes; -1 where that is unknown.
        version: What tells it from others: its xxh64, or a text (`fetch.reply.Version`); None where nothing does.
    """

    size: int
    version: Version

    @classmethod
    def of(cls, chunk: Chunk) -> Seen:
        """What the reply said that brought this chunk."""
        return cls(chunk.size, None if _is_of_range(chunk) else chunk.version)

    def differs(self, chunk: Chunk) -> bool:
        """Whether a chunk is certainly of another version: where the bucket has no checksums, nothing tells that."""
        if UNKNOWN_SIZE not in (self.size, chunk.size) and self.size != chunk.size:
            return True
        if self.version == chunk.version or type(self.version) is not type(chunk.version):
            return False
        return not _is_of_range(chunk)


def _is_of_range(chunk: Chunk) -> bool:
    """Whether the checksum is that of the range, as in buckets with the property `checksum.enable_read_range`."""
    # Of several chunks, whoever reads them has found that out already.
    is_range = isinstance(chunk.version, int) and chunk.last and len(chunk.content) < chunk.size
    return is_range and xxhash.xxh64_intdigest(chunk.content) == chunk.version
