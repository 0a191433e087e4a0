"""What a sample of a shard is called."""

from __future__ import annotations

from collections.abc import Collection


def base_name(key: str) -> str:
    """The last part of a key, which is what the SDK's plugin calls a sample."""
    return key[key.rfind("/") + 1 :]


def are_unique(keys: Collection[str]) -> bool:
    """Whether no two samples of a shard have the same base name; where some do, all go by their whole keys."""
    return len(set(map(base_name, keys))) == len(keys)


