"""`ZeroDict`: the files of a sample, with nothing where it lacks one, so that samples can be collated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any


class ZeroDict(dict[str, Any]):
    """A dictionary that has `b""` for each of the keys that it was not given.

    PyTorch's `default_collate` takes the keys of a batch's first sample and looks them up in all others. The keys stand
    in the order in which they are named here, whatever the order of `mapping` is, and those that are not named follow.

    Args:
        mapping: Contents by extensions.
        keys: Extensions that there must be; of a set, which has no order, they are sorted.
    """

    def __init__(self, mapping: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), keys: Iterable[str] = ()) -> None:
        super().__init__(dict.fromkeys(sorted(keys) if isinstance(keys, Set) else keys, b""))
        self.update(mapping)

    @classmethod
    def empty(cls) -> ZeroDict:
        """One without keys, made in a quarter of the time: for the files of a sample, as they come."""
        return cls.__new__(cls)
