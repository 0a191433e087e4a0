"""Makes one page of a listing: entries in byte order, and where to go on."""

from __future__ import annotations

import datetime
import heapq
import uuid
from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from aistorch.server.archive import list_members
from aistorch.server.archive_formats import ArchiveError, format_of_name
from aistorch.server.bucket import Bucket
from aistorch.server.cluster_map import ClusterMap
from aistorch.server.headers import custom_text
from aistorch.server.http_errors import HTTPError, ObjectMissing
from aistorch.server.list_request import ListFlag, ListRequest
from aistorch.server.object_file import ObjectMeta

_CACHED, _IN_ARCHIVE, _IS_DIRECTORY, _IS_ARCHIVE = 64, 128, 256, 512
_AFTER_SLASH = "0"  # the character that follows '/'


class Entry(msgspec.Struct, omit_defaults=True):
    """One line of a listing, under AIStore's short names."""

    n: str
    cs: str = ""
    a: str = ""
    v: str = ""
    t: str = ""
    m: str = ""
    s: int = 0
    c: int = 0
    f: int = 0


class ListPage(msgspec.Struct):
    """One page, under AIStore's names; the token is empty on the last."""

    UUID: str
    ContinuationToken: str
    Entries: list[Entry]
    Flags: int = 0


def make_page(bucket: Bucket, wanted: ListRequest, cluster: ClusterMap) -> ListPage:
    """The page, and a token only if there is something behind it.

    Raises:
        HTTPError: 404 if the target it is restricted to does not exist.
    """
    if wanted.target and wanted.target not in cluster.targets:
        raise HTTPError(404, f"target {wanted.target!r} does not exist", "ErrNotFound")
    entries: list[Entry] = []
    token = ""
    for entry in _Listing(bucket, wanted, cluster).entries():
        if len(entries) == wanted.page_size:
            token = entries[-1].n
            break
        entries.append(entry)
    return ListPage(wanted.uuid or f"lso-{uuid.uuid4().hex[:9]}", token, entries)


class _Listing:
    def __init__(self, bucket: Bucket, wanted: ListRequest, cluster: ClusterMap) -> None:
        self.bucket, self.wanted, self.cluster = bucket, wanted, cluster
        self.archives = bool(wanted.flags & ListFlag.ARCH_DIR)
        wants = wanted.wants
        self.size, self.checksum, self.atime = wants("size"), wants("checksum"), wants("atime")
        self.version, self.custom, self.copies = wants("version"), wants("custom"), wants("copies")
        self.location = wants("location")

    def entries(self) -> Iterator[Entry]:
        if self.wanted.flags & ListFlag.NO_RECURSION:
            return self._one_level()
        return self._with_members() if self.archives else self._objects()

    def _objects(self) -> Iterator[Entry]:
        for name in self.bucket.names(self.wanted.prefix, self.wanted.after):
            if (entry := self._entry(name)) is not None:
                yield entry

    def _one_level(self) -> Iterator[Entry]:
        names, prefix, after = self.bucket.sorted_names(), self.wanted.prefix, self.wanted.after
        begin = after[:-1] + _AFTER_SLASH if after.endswith("/") else after
        index = bisect_left(names, max(prefix, begin))
        while index < len(names) and names[index].startswith(prefix):
            name = names[index]
            slash = name.find("/", len(prefix))
            if slash >= 0:
                yield Entry(name[: slash + 1], f=_IS_DIRECTORY)
                index = bisect_left(names, name[:slash] + _AFTER_SLASH)
                continue
            index += 1
            if name > after and (entry := self._entry(name)) is not None:
                yield entry

    def _with_members(self) -> Iterator[Entry]:
        # Members of `a.tar` are named `a.tar/...`: they may sort behind other objects, `a.tar-2` for one.
        waiting: list[tuple[str, int, Entry]] = []
        for name in self._archive_names():
            while waiting and waiting[0][0] <= name:
                yield heapq.heappop(waiting)[2]
            entry = self._entry(name)
            if entry is None:
                continue
            for member in self._members(entry):
                if member.n > self.wanted.after:
                    heapq.heappush(waiting, (member.n, len(waiting), member))
            if name > self.wanted.after:
                yield entry
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _archive_names(self) -> Iterator[str]:
        # Of an archive whose own name was on a page before, members may be left: after `a.tar-2` comes `a.tar/x`.
        after = self.wanted.after
        parents = {after[:end] for end, letter in enumerate(after) if letter <= "/"} | {after}
        yield from sorted(p for p in parents if p in self.bucket and p.startswith(self.wanted.prefix))
        yield from self.bucket.names(self.wanted.prefix, after)

    def _members(self, entry: Entry) -> list[Entry]:
        if format_of_name(entry.n) is None:
            return []
        try:
            _, file = self.bucket.open_data(entry.n)
            with file:
                members = list(list_members(file, entry.n))
        except (ArchiveError, ObjectMissing):
            return []
        entry.f |= _IS_ARCHIVE
        flags = entry.f & ~_IS_ARCHIVE | _IN_ARCHIVE
        return [Entry(_joined(entry.n, name), s=size, f=flags) for name, size in members]

    def _entry(self, name: str) -> Entry | None:
        meta = self.bucket.find(name)
        if meta is None:
            return None  # deleted while the page is made
        cached = name not in self.bucket.uncached
        flags = self.wanted.flags
        if (flags & ListFlag.CACHED and not cached) or (flags & ListFlag.NOT_CACHED and cached):
            return None
        if self.wanted.target and self.cluster.owner(self.bucket.key.uname(name)).id != self.wanted.target:
            return None
        return self._fill(meta, cached)

    def _fill(self, meta: ObjectMeta, cached: bool) -> Entry:
        return Entry(
            meta.name,
            cs=meta.checksum if self.checksum else "",
            a=_atime(meta.atime) if self.atime else "",
            v=str(meta.version) if self.version and self.bucket.versioned else "",
            t=self.cluster.location(self.bucket.key.uname(meta.name)) if self.location and cached else "",
            m=custom_text(meta.custom) if self.custom else "",
            s=meta.size if self.size else 0,
            c=1 if self.copies and cached else 0,
            f=_CACHED if cached else 0,
        )


def _joined(archive: str, member: str) -> str:
    return "/".join([archive, *(part for part in member.split("/") if part not in ("", "."))])


def _atime(nanoseconds: int) -> str:
    time = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.timezone.utc)
    return time.strftime("%d %b %y %H:%M UTC")
