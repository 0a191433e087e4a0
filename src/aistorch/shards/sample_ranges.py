"""Samples cut out of ranges of a shard, each file held against the header that stands before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aistorch.errors import ShardError
from aistorch.shards.grouping import split_name
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.tar import TarHeaders
from aistorch.shards.tar_header import BLOCK, FILE

# Files of a sample that stand no further apart are read by one range.
_GAP = 1 << 16
# Of the fields of a header.
_NAME_BYTES, _SIZE, _KIND, _PREFIX = 100, slice(124, 135), 156, 345


class SampleRanges(NamedTuple):
    """Where one sample lies in its shard.

    Attributes:
        files: Name, offset and size of each file.
        spans: The ranges, ends not included, that hold the files with the headers before them.
    """

    files: list[tuple[str, int, int]]
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, index: MemberIndex, number: int) -> SampleRanges:
        """Those of one sample of an index."""
        members = index.members(number)
        offsets, sizes = index.offsets[members].tolist(), index.sizes[members].tolist()
        files = list(zip(index.names(members.start, members.stop), offsets, sizes, strict=True))
        starts = index.head_starts[members].tolist()
        spans: list[tuple[int, int]] = []
        for start, (_, offset, size) in sorted(zip(starts, files, strict=True)):
            if spans and start - spans[-1][1] <= _GAP:
                spans[-1] = spans[-1][0], max(offset + size, spans[-1][1])
            else:
                spans.append((start, offset + size))
        return cls(files, spans)

    @property
    def key(self) -> str:
        """The sample's key."""
        split = split_name(self.files[0][0])
        return split[0] if split else ""

    def cut(self, contents: Sequence[bytes], shard: str, heads: Mapping[int, str]) -> dict[str, bytes] | None:
        """The files by their extensions; None if other files stand there.

        Args:
            contents: The shard's bytes in the spans.
            shard: Its URL, for errors.
            heads: `MemberIndex.heads`.
        """
        found: dict[str, bytes] = {}
        before = len(self.key) + 1
        for name, offset, size in self.files:
            number = next(
                (n for n, (a, b) in enumerate(self.spans) if a <= offset - BLOCK and offset + size <= b), None
            )
            if number is None:
                return None
            start, content = self.spans[number][0], contents[number]
            at = offset - start
            if not _has_header(content[at - BLOCK : at], name, size):
                place = heads.get(offset, name), offset, size, None
                if not _is_found(place, TarHeaders(shard, start), content):
                    return None
            found[name[before:]] = content[at : at + size]
        return found


def _has_header(head: bytes, name: str, size: int) -> bool:
    """Whether this is an ordinary header of this file."""
    raw = name.encode("utf-8", "surrogateescape")
    return (
        head.startswith(raw + b"\0")
        and head[_SIZE] == b"%011o" % size
        and head[_KIND] == FILE
        and not head[_PREFIX]
        and len(raw) < _NAME_BYTES
    )


def _is_found(place: tuple[str, int, int, None], headers: TarHeaders, content: bytes) -> bool:
    """Whether all headers from the range's beginning on tell of this file."""
    try:
        return place in list(headers.feed(content))
    except ShardError:
        return False
