"""What a sample of a shard is called."""

from __future__ import annotations

from collections.abc import Collection


def base_name(key: str) -> str:
    """The last part of a key, which is what the SDK's plugin calls a sample."""
    return key[key.rfind("/") + 1 :]


def are_unique(keys: Collection[str]) -> bool:
    """Whether no two of these different keys have the same base name; where some do, samples go by whole keys."""
    in_folders = any("/" in key for key in keys)
    return not in_folders or len(set(map(base_name, keys))) == len(keys)


def is_apple_double(name: str) -> bool:
    """Whether a file is what macOS puts beside another one, with its attributes."""
    return base_name(name).startswith("._")
