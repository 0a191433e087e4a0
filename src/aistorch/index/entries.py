"""From a page of a listing, as msgpack gave it, to an `ObjectIndex`."""

from __future__ import annotations

from itertools import compress

import numpy as np

from aistorch.index.columns import UNKNOWN_TARGET, parse_checksums
from aistorch.index.list_request import Entry
from aistorch.index.object_index import ObjectIndex

STATUS_BITS = 0b1_1111
"""Where the object lies; anything but 0 stands for a copy or a leftover at a wrong place."""
IS_DIRECTORY = 1 << 8


class TargetCodes(dict[str, int]):
    """Codes of targets, by location: there are few different ones, so that most objects cost one look-up."""

    def __init__(self) -> None:
        super().__init__({"": UNKNOWN_TARGET})
        self._codes: dict[str, int] = {}

    @property
    def target_ids(self) -> tuple[str, ...]:
        """The id that each code met so far stands for."""
        return tuple(self._codes)

    def __missing__(self, location: str) -> int:
        # As in "t[uzBt18082]:mp[/data/mp1, sda]".
        target, bracket, _ = location.removeprefix("t[").partition("]")
        known = location.startswith("t[") and bracket
        code = self[location] = self._codes.setdefault(target, len(self._codes)) if known else UNKNOWN_TARGET
        return code


def decode(entries: list[Entry], codes: TargetCodes, number: int) -> ObjectIndex:
    """The objects among the entries, as selection `number`."""
    names = [entry["n"] for entry in entries]
    flags = np.array([entry.get("f", 0) for entry in entries], dtype=np.int64)
    keep = flags & (STATUS_BITS | IS_DIRECTORY) == 0
    if not keep.all():
        entries, names = list(compress(entries, keep)), list(compress(names, keep))
    targets = [codes[entry.get("t", "")] for entry in entries]
    return ObjectIndex.from_names(
        names,
        sizes=[entry.get("s", 0) for entry in entries],
        checksums=parse_checksums([entry.get("cs", "") for entry in entries]),
        targets=targets,
        sources=number,
        target_ids=codes.target_ids,
    )
