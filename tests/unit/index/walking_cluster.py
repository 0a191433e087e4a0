"""A model of how AIStore 5.0 lists a bucket of its own: disks are walked, targets merge them, a proxy cuts pages.

It has what makes the original lose and repeat names: the walk of a disk comes to `a/b` before `a-1`, while disks are
merged and pages are cut by the bytes of names; and a prefix that is a folder on a disk is taken for that folder.
"""

from __future__ import annotations

import heapq
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from typing import Any

from aistore.sdk import Bucket

NOT_RECURSIVE = 1 << 11


def walked(name: str) -> tuple[list[str], bool]:
    """Sorts names as a walk comes to them; a folder's ends in "/"."""
    return name.rstrip("/").split("/"), name.endswith("/")


def folders_of(name: str) -> list[str]:
    """All folders that a name lies in."""
    return list(accumulate(name.split("/")[:-1], lambda outer, inner: f"{outer}/{inner}"))


@dataclass
class Walk:
    """A listing under way at a target."""

    names: list[str]
    token: str = ""
    page: list[str] = field(default_factory=list)

    def next_page(self, token: str, size: int) -> list[str]:
        """The page after a token, as the original makes it: from a cache that it takes for sorted."""
        self.page = self.page[self._position(token) :] if token else self.page
        self.token = token
        while self.names and self._position(token) + size > len(self.page):
            self._fill(token, size)
        return self.page[self._position(token) :][:size]

    def _fill(self, token: str, size: int) -> None:
        added = 0
        while self.names and added < size:
            name = self.names.pop(0)
            if name > token:
                self.page.append(name)
                added += 1

    def _position(self, token: str) -> int:
        return bisect_right(self.page, token) if self.page else 0


class WalkingCluster:
    """Stands in for the client of a bucket.

    Args:
        targets: The names that each target holds; a name lies on one of two disks.
        emptied: Folders without anything in them, on the first disk of the first target.
        page_size: Entries a page, where a request does not say how many.
    """

    def __init__(self, targets: list[list[str]], emptied: Sequence[str] = (), page_size: int = 2) -> None:
        self.targets, self.emptied, self.page_size = targets, emptied, page_size
        self._walks: dict[str, list[Walk]] = {}
        self._uuids = count(1)
        self.requests = 0

    def bucket(self) -> Bucket:
        return Bucket("bck", client=self)  # type: ignore[arg-type]

    def request_deserialize(self, method: str, json: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.requests += 1
        value = json["value"]
        prefix, token, flat = value["prefix"].removesuffix("*"), value["continuation_token"], int(value["flags"]) != 0
        uuid = value["uuid"] or f"uuid-{next(self._uuids)}"
        if uuid not in self._walks:
            self._walks[uuid] = [Walk(self._walk(number, prefix, flat)) for number in range(len(self.targets))]
        size = value["pagesize"] or self.page_size
        names = sorted({name for walk in self._walks[uuid] for name in walk.next_page(token, size)})[:size]
        entries = [{"n": name, "f": 256 if name.endswith("/") else 64} for name in names]
        return {
            "UUID": uuid,
            "ContinuationToken": names[-1] if len(names) == size else "",
            "Entries": entries,
            "Flags": 0,
        }

    def _walk(self, number: int, prefix: str, flat: bool) -> list[str]:
        disks: list[list[str]] = [[], []]
        for name in self.targets[number]:
            disks[zlib.crc32(name.encode()) % 2].append(name)
        walks = []
        for disk, names in enumerate(disks):
            folders = {folder for name in names for folder in folders_of(name)}
            if (number, disk) == (0, 0):
                folders.update(self.emptied)
            walks.append(walk_disk(names, folders, prefix, flat))
        merged = heapq.merge(*walks, key=lambda name: (name.rstrip("/"), name.endswith("/")))
        return [name for name in dict.fromkeys(merged) if name.startswith(prefix)]


def walk_disk(names: list[str], folders: set[str], prefix: str, flat: bool) -> list[str]:
    """What the walk of a disk comes to, in its order; more than the prefix, where that is no folder."""
    if flat:
        depth = prefix.count("/")
        found = [name for name in names if name.count("/") == depth]
        found += [f"{folder}/" for folder in folders if folder.count("/") == depth]
        return sorted((name for name in found if name.startswith(prefix)), key=walked)
    if prefix in folders or prefix.endswith("/"):
        root = f"{prefix.rstrip('/')}/"
        return sorted((name for name in names if name.startswith(root)), key=walked)
    entered = [name for name in names if all(f.startswith(prefix) or prefix.startswith(f) for f in folders_of(name))]
    return sorted(entered, key=walked)
