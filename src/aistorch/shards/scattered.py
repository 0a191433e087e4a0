"""Single samples of shards, each read by the ranges in which its files lie, the next ones under way meanwhile."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import NamedTuple

from aistorch.errors import ObjectReplacedError, ShardError
from aistorch.fetch.chunks import Chunk, Extent, stream_chunks
from aistorch.shards.catalog import Catalog
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.names import base_name
from aistorch.shards.sample_ranges import SampleRanges
from aistorch.shards.stream import ShardSample
from aistorch.shards.versions import Seen
from aistorch.shards.zero_dict import ZeroDict

# Times that a shard is looked at anew.
_RENEWED = 3


class _Asked(NamedTuple):
    """A sample that is under way."""

    shard: int
    number: int
    members: MemberIndex
    ranges: SampleRanges


class _StaleError(Exception):
    """The shard of the sample that is next is not what its index tells."""

    def __init__(self, misled: bool) -> None:
        super().__init__()
        self.misled = misled


class ScatteredSamples:
    """Reads samples by their shard and their number there.

    Args:
        catalog: The shards, each with an index.
        extensions: Those that samples have.
    """

    def __init__(self, catalog: Catalog, extensions: Mapping[str, None]) -> None:
        self._catalog, self._extensions = catalog, extensions

    def stream(self, wanted: Iterable[tuple[int, int]]) -> Iterator[ShardSample]:
        """The samples, in the order in which they are wanted.

        Warns:
            StaleShardIndexWarning: A shard was overwritten, and is read as it is now.

        Raises:
            ShardError: A shard has not as many samples as before, or cannot be read by ranges.
            AIStorchError: A sample could not be read.
        """
        rest, renewed = iter(wanted), Counter[int]()
        while True:
            asked: deque[_Asked] = deque()
            try:
                yield from self._samples(rest, asked)
                return
            except _StaleError as stale:
                renewed[asked[0].shard] += 1
                self._renew(asked[0], stale.misled, renewed[asked[0].shard])
                rest = chain([(each.shard, each.number) for each in asked], rest)

    def _samples(self, wanted: Iterator[tuple[int, int]], asked: deque[_Asked]) -> Iterator[ShardSample]:
        """The same, up to one whose shard is not what its index tells: it is the first of `asked` then."""

        def extents() -> Iterator[Extent]:
            for shard, number in wanted:
                members = self._catalog.made_index(shard)
                ranges = SampleRanges.of(members, number)
                asked.append(_Asked(shard, number, members, ranges))
                for span in ranges.spans:
                    yield Extent(shard, *span)

        with closing(stream_chunks(self._catalog.reader, self._catalog.shards, extents())) as chunks:  # type: ignore[type-var]
            while (contents := self._contents(chunks, asked)) is not None:
                sample = self._cut(asked[0], contents)
                asked.popleft()
                yield sample

    def _contents(self, chunks: Iterator[Chunk], asked: deque[_Asked]) -> list[bytes] | None:
        """The bytes of each range of the next sample; None where there is none."""
        contents: list[bytes] = []
        parts: list[bytes] = []
        try:
            for chunk in chunks:
                first = asked[0]
                if not parts and Seen(first.members.shard_size, first.members.shard_checksum or None).differs(chunk):
                    raise _StaleError(misled=False)
                parts.append(bytes(chunk.content))
                if chunk.last:
                    contents.append(parts[0] if len(parts) == 1 else b"".join(parts))
                    parts = []
                    if len(contents) == len(first.ranges.spans):
                        return contents
        except ObjectReplacedError:
            raise _StaleError(misled=False) from None
        return None

    def _cut(self, asked: _Asked, contents: list[bytes]) -> ShardSample:
        files = asked.ranges.cut(contents, self._catalog.url(asked.shard), asked.members.heads)
        if files is None:
            raise _StaleError(misled=True)
        facts, key = self._catalog.facts(asked.shard, asked.members), asked.ranges.key
        return key if facts is None or facts.by_key else base_name(key), ZeroDict(files, self._extensions)

    def _renew(self, asked: _Asked, misled: bool, times: int) -> None:
        url = self._catalog.url(asked.shard)
        if times > _RENEWED:
            raise ShardError(url, problem="it is overwritten again and again while it is read")
        members, before = self._catalog.renew(asked.shard, misled), len(asked.members)
        if members is None or len(members) != before:
            now = "cannot be read by ranges" if members is None else f"has {len(members)}"
            problem = f"it had {before} samples when they were counted, and {now} now that it was overwritten"
            raise ShardError(url, problem=f"{problem}: make the dataset anew")
