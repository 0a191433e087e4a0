"""Where the members of a TAR lie, remembered for those read last: to find one means to read all headers before it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from typing import IO

from aistorch.server.archive import damage_named, open_archive
from aistorch.server.archive_formats import ArchiveFormat, MemberMissing, NotAnArchiveError

MAX_TARS = 8
MAX_MEMBERS = 30_000
"""What is remembered, at most: some 60 MB."""

_remembered: OrderedDict[Hashable, TarIndex | None] = OrderedDict()
_lock = threading.Lock()


class TarIndex:
    """Offsets and sizes of a TAR's members, by their names without a leading `/`; of several the first.

    Args:
        name: Of the TAR, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._places: dict[str, tuple[int, int]] = {}

    def find(self, path: str) -> tuple[int, int]:
        """Offset and size of a member.

        Raises:
            MemberMissing: There is none of that name.
        """
        place = self._places.get(path.removeprefix("/"))
        if place is None:
            raise MemberMissing(path, self._name)
        return place

    def fill(self, file: IO[bytes]) -> bool:
        """Reads all headers; False where a TAR has too many, or members in several pieces, or is damaged."""
        with suppress(NotAnArchiveError), damage_named(self._name):
            with open_archive(file, self._name, ArchiveFormat.TAR.value) as archive:
                for member in archive:
                    if len(self._places) >= MAX_MEMBERS or member.entry.issparse():
                        return False
                    self._places.setdefault(member.name.removeprefix("/"), (member.entry.offset_data, member.size))
            return True
        return False


def tar_index(key: Hashable, file: IO[bytes], name: str) -> TarIndex | None:
    """The index of a TAR, made when it is first asked for.

    Args:
        key: Tells this TAR from all others, and from what it was before it was overwritten.
        file: Holds it; is moved.
        name: Of the TAR, for messages.

    Returns:
        None where it has to be searched instead.
    """
    with _lock:
        if key in _remembered:
            _remembered.move_to_end(key)
            return _remembered[key]
    index = TarIndex(name)
    usable = index if index.fill(file) else None
    with _lock:
        _remembered[key] = usable
        while len(_remembered) > MAX_TARS:
            _remembered.popitem(last=False)
    return usable
