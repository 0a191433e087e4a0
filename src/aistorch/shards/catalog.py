"""What the shards of a dataset hold: by their stored indices, by the server's listing, or by reading them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from aistorch.errors import ObjectNotFoundError, ShardError, ShardIndexError, StaleShardIndexWarning
from aistorch.fetch.buffers import BufferPool
from aistorch.fetch.chunks import CHUNK_SIZE, Extent, stream_chunks
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.index.archive_listing import LISTED_SUFFIXES, archived_names
from aistorch.index.object_index import ObjectIndex
from aistorch.index.sizes import with_sizes
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.facts import Facts
from aistorch.shards.member_index import INDEX_SUFFIX, MemberIndex
from aistorch.shards.tar import Entry, TarHeaders
from aistorch.shards.tar_contents import NO_RANGE

# Stored indices that are read at once.
_BLOCK = 64


class Catalog:
    """Shards, and the indices that lie beside some of them. Holds no connection; can be pickled.

    What has been found out about a shard is kept.

    Args:
        reader: How shards and indices are read.
        listed: What was listed. Names that end in `.idx` are no shards.
        use_indices: Whether to believe the indices beside shards, which leave out files that belong to no sample.

    Attributes:
        reader: How shards and indices are read.
        shards: The shards among what was listed, in its order.
    """

    def __init__(self, reader: Reader, listed: ObjectIndex, use_indices: bool = True) -> None:
        self.reader = reader
        names = listed.names()
        is_index = np.array([name.endswith(INDEX_SUFFIX) for name in names], dtype=np.bool_)
        shards = listed.take(np.flatnonzero(~is_index)) if is_index.any() else listed
        # Of objects that were named, not listed; what an ETL makes of them has another size.
        self.shards = shards if reader.etl else with_sizes(shards, [bucket_of(source) for source in reader.sources])
        # Position in the listing of each shard's index; what an ETL makes of a shard has none.
        at = {(int(listed.sources[position]), names[position]): position for position in np.flatnonzero(is_index)}
        own = zip(self.shards.sources.tolist(), self.shards.names(), strict=True)
        self._stored = {
            number: at[source, name + INDEX_SUFFIX]
            for number, (source, name) in enumerate(own)
            if use_indices and (source, name + INDEX_SUFFIX) in at and reader.etl is None
        }
        self._all_listed_with_index = len(self._stored) == len(self.shards) > 0
        self._indices = listed
        self._facts: dict[int, Facts] = {}

    def url(self, shard: int) -> str:
        """A shard as errors show it."""
        return self.reader.routes[int(self.shards.sources[shard])].label + self.shards.name(shard)

    @property
    def has_indices(self) -> bool:
        """Whether each shard was listed with an index beside it."""
        return self._all_listed_with_index

    def index(self, shard: int) -> MemberIndex | None:
        """The index that is stored beside a shard; None where there is none, or none that can be used.

        Warns:
            StaleShardIndexWarning: There is one, and it cannot be used.
        """
        if shard not in self._stored:
            return None
        return next(self._read_indices([shard]))[1]

    def indices(self, shards: Iterable[int]) -> dict[int, MemberIndex | None]:
        """The same for several shards, read at once.

        Warns:
            StaleShardIndexWarning: One cannot be used.
        """
        return dict(self._read_indices([shard for shard in shards if shard in self._stored]))

    def index_size(self, shard: int) -> int:
        """Stored bytes of the index beside a shard; 0 where there is none, and 1 where that is not known."""
        if shard not in self._stored:
            return 0
        return max(1, int(self._indices.sizes[self._stored[shard]]))

    def is_exact(self, shard: int, index: MemberIndex) -> bool:
        """Whether an index is certainly that of a shard as it is now, and lists files as they stand in it."""
        checksum = self.shards.checksum(shard)
        return bool(checksum) and index.shard_checksum == checksum and index.is_in_order

    def all_indices(self) -> list[MemberIndex]:
        """The index of each shard; one that has none is read through.

        What an ETL makes of a shard has no ranges that could be read: there an index tells what is in it, no more.

        Raises:
            ShardError: A shard without an index cannot have one: it is compressed, or holds sparse files; or it is
                damaged.
        """
        found = {shard: index for shard, index in self._read_indices(list(self._stored)) if index is not None}
        for shard, entries, compressed in self._scan([n for n in range(len(self.shards)) if n not in found]):
            url = self.url(shard)
            if self.reader.etl is None:
                self._check_ranges(url, entries, compressed)
            found[shard] = MemberIndex.from_entries(entries, int(self.shards.sizes[shard]), shard=url)
        return [found[shard] for shard in range(len(self.shards))]

    def facts(self, shard: int, index: MemberIndex | None = None) -> Facts | None:
        """What is known of a shard without a look at the shard itself; `index` saves reading the one beside it."""
        if shard not in self._facts:
            index = self.index(shard) if index is None else index
            if index is not None:
                self._facts[shard] = Facts.of_index(index)
        return self._facts.get(shard)

    def ask_server(self, shard: int) -> Facts | None:
        """What the server's listing of a shard tells; None where it cannot look into it."""
        bucket = bucket_of(self.reader.sources[int(self.shards.sources[shard])])
        name = self.shards.name(shard)
        if bucket is None or self.reader.etl is not None or not name.endswith(LISTED_SUFFIXES):
            return None
        facts = Facts.of_names(archived_names(bucket, name))
        if not facts.files:  # empty, or something else than its name says
            return None
        self._facts[shard] = facts
        return facts

    def learn(self, shard: int, facts: Facts) -> None:
        """Keeps what was seen while a shard was read."""
        self._facts.setdefault(shard, facts)

    def forget(self, shard: int) -> None:
        """Drops what was learned of a shard."""
        self._facts.pop(shard, None)

    def counts(self, shards: Iterable[int]) -> list[int]:
        """How many samples each shard has: from its index, else from the server's listing, else by reading it."""
        return [facts.samples for facts in self._facts_of(shards)]

    def file_counts(self, shards: Iterable[int]) -> list[int]:
        """How many files each shard has, where indices are not used."""
        return [facts.files for facts in self._facts_of(shards)]

    def extensions(self, shards: Iterable[int]) -> list[str]:
        """The extensions of all files of these shards, in the order in which they first appear."""
        return list(dict.fromkeys(extension for facts in self._facts_of(shards) for extension in facts.extensions))

    def _facts_of(self, shards: Iterable[int]) -> list[Facts]:
        wanted = list(shards)
        unknown = [shard for shard in dict.fromkeys(wanted) if shard not in self._facts]
        for shard, index in self._read_indices([shard for shard in unknown if shard in self._stored]):
            if index is not None:
                self._facts[shard] = Facts.of_index(index)
        unknown = [shard for shard in unknown if shard not in self._facts and self.ask_server(shard) is None]
        for shard, entries, _ in self._scan(unknown):
            self._facts[shard] = Facts.of_names([entry[0] for entry in entries])
        return [self._facts[shard] for shard in wanted]

    def _read_indices(self, shards: list[int]) -> Iterator[tuple[int, MemberIndex | None]]:
        for first in range(0, len(shards), _BLOCK):
            block = shards[first : first + _BLOCK]
            try:
                contents = self._contents(block)
            except ObjectNotFoundError:  # deleted since the listing; one by one it shows which
                for shard in block:
                    yield shard, self._if_there(shard)
                continue
            for shard, content in zip(block, contents, strict=True):
                yield shard, self._usable(shard, content)

    def _contents(self, shards: list[int]) -> list[bytes]:
        part = self._indices.take([self._stored[shard] for shard in shards])
        return [content for _, content in self.reader.read(part)]

    def _if_there(self, shard: int) -> MemberIndex | None:
        try:
            return self._usable(shard, self._contents([shard])[0])
        except ObjectNotFoundError:
            self._give_up(shard, f"the index of {self.url(shard)} has been deleted since it was listed")
            return None

    def _usable(self, shard: int, content: bytes) -> MemberIndex | None:
        try:
            index = MemberIndex.from_bytes(content, self.url(shard))
        except ShardIndexError as error:
            self._give_up(shard, str(error))
            return None
        size, checksum = int(self.shards.sizes[shard]), self.shards.checksum(shard)
        if (size >= 0 and index.shard_size != size) or (checksum and index.shard_checksum not in (0, checksum)):
            self._give_up(shard, f"the index of {self.url(shard)} belongs to an earlier version of it: write it anew")
            return None
        return index

    def _give_up(self, shard: int, cause: str) -> None:
        del self._stored[shard]
        warnings.warn(f"{cause}; the shard is read without it", StaleShardIndexWarning, stacklevel=2)

    @staticmethod
    def _check_ranges(url: str, entries: list[Entry], compressed: bool) -> None:
        if compressed:
            problem = "it is compressed, so none of its samples can be read alone; use AISShardReader"
            raise ShardError(url, problem=problem)
        for name, offset, _ in entries:
            if offset == NO_RANGE:
                raise ShardError(url, name, problem="a sparse file cannot be read alone; use AISShardReader")

    def _scan(self, shards: Sequence[int]) -> Iterator[tuple[int, list[Entry], bool]]:
        """One pass over the headers of shards: each with its files, and whether it is compressed."""
        entries: list[Entry] = []
        headers = decompressor = None
        pool = BufferPool(CHUNK_SIZE)
        for chunk in stream_chunks(self.reader, self.shards, (Extent(shard) for shard in shards), pool=pool):
            url = self.url(shards[chunk.number])
            if headers is None or decompressor is None:
                headers, decompressor, entries = TarHeaders(url), decompressor_for(chunk.content, url), []
            for plain in decompressor.feed(chunk.content):
                entries += map(Entry.of, headers.feed(plain))
            if chunk.buffer is not None:
                pool.give_back(chunk.buffer)
            if chunk.last:
                decompressor.close()
                headers.close()
                yield shards[chunk.number], entries, type(decompressor) is not Decompressor
                headers = None
