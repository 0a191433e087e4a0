"""All objects of an AIStore bucket, each once and sorted by name, whatever its folders are called.

A target walks the folders of each disk: what lies in `a/` comes before `a-1`, although `a-1` sorts before `a/`. The
server merges these walks by name, cuts the page, and goes on after the last name on it. So where a page ends in `a/`
or among the names beside it, `a-1`, `a.txt` and the like come twice or never. And a prefix that equals a folder (one
left behind empty will do) is taken for that folder on each disk that has it, and omits what lies beside it. Both were
seen on AIStore 5.0, and happen silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from aistore.sdk import Bucket

from aistorch.errors import ServerError
from aistorch.index.list_request import NAME_ONLY, NOT_RECURSIVE, PROPERTIES, Entry, ask
from aistorch.sources.resolve import describe

FEW, MANY = 100, 10_000
"""Entries to ask for where few are expected, and where they have turned out to be more."""
MARGIN = 16
"""More than there are folders whose names begin each other, as `a/`, `a-b/` and `a-b-c/` do."""
LAST = "\U0010ffff"
"""Sorts after all that names are made of."""


def sorted_entries(bucket: Bucket, prefix: str) -> Iterator[list[Entry]]:
    """The objects whose names begin with `prefix`, in lists about as long as the server's pages."""
    shorter = prefix
    # A star at the end would be taken for a wildcard, and dropped.
    while not is_whole_folder(shorter) and (shorter.endswith("*") or is_folder(bucket, shorter)):
        shorter = shorter[:-1]
    after = "" if shorter == prefix else _just_before(prefix)
    for entries in _entries(bucket, shorter, prefix, after):
        yield having_prefix(entries, prefix)
        last = entries[-1]["n"] if entries else ""
        if last > prefix and not last.startswith(prefix):
            return


def having_prefix(entries: list[Entry], prefix: str) -> list[Entry]:
    """Those entries whose names begin with `prefix`."""
    return [entry for entry in entries if entry["n"].startswith(prefix)] if prefix else entries


def is_folder(bucket: Bucket, name: str) -> bool:
    """Whether any target has a folder of that name, be it empty."""
    return any(entry["n"] == f"{name}/" for entry in _beside(bucket, name, NAME_ONLY))


def _entries(bucket: Bucket, prefix: str, wanted: str, after: str = "") -> Iterator[list[Entry]]:
    """The objects after `after` below a prefix that is no folder; of those not `wanted`, some are left out."""
    token, uuid, clean = after, "", _Cuts(bucket, prefix)
    while True:
        page = ask(bucket, prefix, token=token, uuid=uuid)
        if page.token and page.token <= token:
            raise ServerError(f"the listing of {describe(bucket)} makes no progress after {token!r}: list it again")
        # Where the server's order is broken by a name stored under a hash, names of the page before may come again.
        entries = [entry for entry in page.entries if entry["n"] > token] if token else page.entries
        folder = clean.folder_across(page.token)
        if folder is None:
            yield entries
            if not page.token:
                return
            token, uuid = page.token, page.uuid
            continue
        # What the server tells of this folder and the names beside it cannot be relied on: list one after the other.
        yield [entry for entry in entries if entry["n"] <= folder]
        yield from _siblings(bucket, folder, wanted)
        if _may_hold(f"{folder}/", wanted):
            yield from _entries(bucket, f"{folder}/", wanted)
        token, uuid = f"{folder}/{LAST}", page.uuid


def _siblings(bucket: Bucket, folder: str, wanted: str) -> Iterator[list[Entry]]:
    """The objects whose names begin as the folder's does and sort before those in it."""
    for is_object, entries in groupby(_beside(bucket, folder, PROPERTIES), lambda entry: not entry["n"].endswith("/")):
        if is_object:
            yield list(entries)
            continue
        for name in (entry["n"] for entry in entries):
            if name != f"{folder}/" and _may_hold(name, wanted):
                yield from _entries(bucket, name, wanted)


def _beside(bucket: Bucket, folder: str, properties: str) -> list[Entry]:
    """What lies beside a folder and sorts after its name and before its content: objects, folders, itself."""
    parent, found = folder[: folder.rfind("/") + 1], []
    token, size = folder, FEW
    while True:
        page = ask(bucket, parent, token=token, properties=properties, flags=NOT_RECURSIVE, size=size)
        # Folders are walked before what sorts before their "/", and so take the place of as many names at the end.
        entries = (page.token and page.entries[:-MARGIN]) or page.entries
        found += [entry for entry in entries if entry["n"] <= f"{folder}/"]
        if not page.token or not entries or entries[-1]["n"] >= f"{folder}/":
            return found
        token, size = entries[-1]["n"], MANY


class _Cuts:
    """Where pages may end.

    Args:
        bucket: The bucket listed.
        prefix: The prefix listed.
    """

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._checked: dict[tuple[str, bool], bool] = {}

    def folder_across(self, last: str) -> str | None:
        """The outermost folder that has names beside it, where a page that ends with `last` separates the two."""
        # Of a prefix's own parent all folders that could lead to it are walked, and hold up the names behind them.
        for position in range(self._prefix.rfind("/") + 1, len(last)):
            # Only names that differ from a folder's content in a character before "/" are walked out of order.
            if last[position] <= "/" and not is_whole_folder(last[:position]):
                key = last[:position], last[position] == "/"
                if key not in self._checked:
                    self._checked[key] = self._is_across(*key)
                if self._checked[key]:
                    return key[0]
        return None

    def _is_across(self, folder: str, within: bool) -> bool:
        if within:
            return any(entry["n"] != f"{folder}/" for entry in _beside(self._bucket, folder, NAME_ONLY))
        return bool(ask(self._bucket, f"{folder}/", properties=NAME_ONLY, size=1).entries)


def is_whole_folder(prefix: str) -> bool:
    """Whether a prefix stands for all of a bucket or of a folder, by its form."""
    return not prefix or prefix.endswith("/")


def _may_hold(folder: str, wanted: str) -> bool:
    """Whether names in a folder (with its "/") can begin with `wanted`."""
    return folder.startswith(wanted) or wanted.startswith(folder)


def _just_before(prefix: str) -> str:
    """A text that sorts before `prefix` with next to nothing in between."""
    before = ord(prefix[-1]) - 1
    if before < 0 or 0xD800 <= before <= 0xDFFF:  # no character has that number
        return prefix[:-1]
    return f"{prefix[:-1]}{chr(before)}{LAST}"
