"""What is known of a shard before it has been read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aistorch.shards.grouping import split_name
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.names import are_unique


class Facts(NamedTuple):
    """What must be known of a whole shard for its first sample to be as it will be.

    Attributes:
        extensions: Of all its files, in the order in which they first appear.
        by_key: Whether its samples go by their whole keys, since base names are not unique.
        samples: How many there are.
    """

    extensions: tuple[str, ...]
    by_key: bool
    samples: int

    @classmethod
    def of_names(cls, names: Iterable[str]) -> Facts:
        """From the names of all files of a shard."""
        splits = [split for split in map(split_name, names) if split is not None]
        keys = dict.fromkeys(key for key, _ in splits)
        return cls(tuple(dict.fromkeys(extension for _, extension in splits)), not are_unique(keys), len(keys))

    @classmethod
    def of_index(cls, index: MemberIndex) -> Facts:
        """From the index that was stored beside a shard."""
        return cls(index.extensions, not are_unique(index.keys()), len(index))
