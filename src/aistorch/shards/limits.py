"""What one file and one sample of a shard may take in memory, by what is known of the shard."""

from __future__ import annotations

from typing import NamedTuple

from aistorch.config import MIB, ShardLimits
from aistorch.errors import ShardLimitError

# Allowed whatever the ratio is.
_FREE = 16 * MIB
# Of memory, that a file takes in a list.
_ENTRY_BYTES = 300


class Limits(NamedTuple):
    """Those of one shard.

    Attributes:
        member: Bytes of a file that is stored as it is.
        sparse: Bytes of one with holes.
        sample: Bytes of a sample.
    """

    member: int
    sparse: int
    sample: int

    @classmethod
    def of(cls, allowed: ShardLimits, stored: int, compressed: bool) -> Limits:
        """Those of a shard that has so many bytes in its bucket."""
        grown = max(_FREE, int(allowed.max_ratio * stored))
        sparse = min(allowed.max_member, grown)
        if compressed:
            return cls(sparse, sparse, min(allowed.max_sample, grown))
        return cls(allowed.max_member, sparse, allowed.max_sample)

    def check_list(self, shard: str, name: str, count: int) -> None:
        """See that a list of so many files, the last one of this name, is not too large.

        Raises:
            ShardLimitError: It is.
        """
        self.check(shard, name, _ENTRY_BYTES * count, "list of files")

    def check(self, shard: str, name: str, size: int, what: str = "file") -> None:
        """See that a file, or a sample that it is of, is not too large.

        Raises:
            ShardLimitError: It is.
        """
        limit = {"file": self.member, "sparse file": self.sparse}.get(what, self.sample)
        if size > limit:
            text = f"a {what} of {size} bytes{' or more' if what == 'sample' else ''}, and {limit} are allowed here"
            raise ShardLimitError(
                shard, name, None, f"{text}; raise ReadConfig(limits=ShardLimits(...)) if it is sound"
            )


UNLIMITED = Limits(1 << 63, 1 << 63, 1 << 63)
