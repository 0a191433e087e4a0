"""What is known of a shard before it has been read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aistorch.shards.grouping import regular_keys, split_name
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.names import are_unique, is_apple_double


class Facts(NamedTuple):
    """What must be known of a whole shard for its first sample to be as it will be.

    Attributes:
        extensions: Of all its files, in the order in which they first appear.
        by_key: Whether its samples go by their whole keys, since base names are not unique.
        samples: How many there are.
        files: How many files there are, those that belong to no sample included, and those of macOS (`._name`) not; -1
            where that is unknown.
    """

    extensions: tuple[str, ...]
    by_key: bool
    samples: int
    files: int = -1

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Facts:
        """From the names of all files of a shard."""
        keys: dict[str, None] = {}
        extensions: dict[str, None] = {}
        prefix = ""
        for number, name in enumerate(names):
            # The next file of the same sample is told by one comparison, in most cases.
            if name.startswith(prefix) and name[len(prefix) :] in extensions:
                continue
            split = split_name(name)
            if split is None:
                continue
            if len(keys) == 1 and split[0] not in keys:  # most often all samples are made as the first one is
                rest = regular_keys(list(names[number:]), ["." + extension for extension in extensions])
                if rest is not None:
                    keys |= dict.fromkeys(rest)
                    break
            prefix = split[0] + "."
            keys[split[0]] = extensions[split[1]] = None
        return cls(tuple(extensions), not are_unique(keys), len(keys), _count(names))

    @classmethod
    def of_index(cls, index: MemberIndex) -> Facts:
        """From the index that was stored beside a shard."""
        keys = index.keys()
        return cls(index.extensions, not are_unique(keys), len(keys))


def _count(names: Sequence[str]) -> int:
    return len(names) - sum(map(is_apple_double, names)) if "._" in "/".join(names) else len(names)
