"""What the shards of a dataset hold: by their stored indices, by the server's listing, or by reading them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aistorch.errors import ObjectNotFoundError, ShardIndexError, StaleShardIndexWarning
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.fetch.request import UNKNOWN_SIZE
from aistorch.index.archive_listing import LISTED_SUFFIXES, archived_names
from aistorch.index.object_index import ObjectIndex
from aistorch.index.sizes import with_sizes
from aistorch.shards.facts import Facts
from aistorch.shards.latest import Latest
from aistorch.shards.member_index import INDEX_SUFFIX, MemberIndex
from aistorch.shards.scan import Scanned, scan
from aistorch.shards.versions import Seen

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
        self._latest = Latest()
        self._made: dict[int, MemberIndex] = {}  # of shards that were overwritten, and have no index beside them
        self._facts: dict[int, Facts] = {}
        self._learned: dict[int, Seen] = {}  # of which version these are, where they were learned by reading

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
        if shard in self._made:
            return self._made[shard]
        if shard not in self._stored:
            return None
        return next(self._read_indices([shard]))[1]

    def kept_index(self, shard: int) -> MemberIndex | None:
        """The index of a shard, where it need not be read."""
        made = self._made.get(shard)
        return self._latest.get(shard) if made is None else made

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

    def all_indices(self) -> list[MemberIndex]:
        """The index of each shard; one that has none is read through.

        What an ETL makes of a shard has no ranges that could be read: there an index tells what is in it, no more.

        Raises:
            ShardError: A shard without an index cannot have one: it is compressed, or holds sparse files; or it is
                damaged.
        """
        found = {shard: index for shard, index in self._read_indices(list(self._stored)) if index is not None}
        for shard, scanned in self._scan([n for n in range(len(self.shards)) if n not in found]):
            if self.reader.etl is None:
                scanned.check_ranges(self.url(shard))
            found[shard] = self._index_of(shard, scanned)
        return [found[shard] for shard in range(len(self.shards))]

    def made_index(self, shard: int) -> MemberIndex:
        """The index of a shard; where none is beside it that can be used, it is made of the shard's headers, and kept.

        Raises:
            ShardError: It cannot have one: it is compressed, or holds sparse files; or it is damaged.
        """
        index = self.index(shard)
        if index is None:
            _, scanned = next(self._scan([shard]))
            scanned.check_ranges(self.url(shard))
            index = self._made[shard] = self._index_of(shard, scanned)
        return index

    def renew(self, shard: int, misled: bool = False) -> MemberIndex | None:
        """Looks anew at a shard that is not what was known: the index that it has now; None where it cannot have one.

        Args:
            shard: Which one.
            misled: Whether the index beside it has told wrong places, and is not used any more.

        Warns:
            StaleShardIndexWarning: In any case.
        """
        if misled:
            self.give_up_index(
                shard, f"the index of {self.url(shard)} does not tell where its files are: write it anew"
            )
        else:
            text = f"{self.url(shard)} has been overwritten since it was listed; it is read as it is now"
            warnings.warn(text, StaleShardIndexWarning, stacklevel=2)
            self.forget(shard)
            self._latest.drop(shard)
            self._made.pop(shard, None)
        self._refresh(shard)
        index = self.index(shard)
        if index is None:
            _, scanned = next(self._scan([shard]))
            self._facts[shard] = scanned.facts
            if scanned.has_ranges:
                index = self._made[shard] = self._index_of(shard, scanned)
        return index

    def give_up_index(self, shard: int, cause: str) -> None:
        """Uses the index beside a shard no more, and forgets what it told.

        Warns:
            StaleShardIndexWarning: In any case.
        """
        self._stored.pop(shard, None)
        self._made.pop(shard, None)
        self._latest.drop(shard)
        self.forget(shard)
        warnings.warn(f"{cause}; the shard is read without it", StaleShardIndexWarning, stacklevel=2)

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

    def learn(self, shard: int, facts: Facts, seen: Seen | None = None) -> None:
        """Keeps what was seen while a shard was read, and in which version of it."""
        if shard not in self._facts:
            self._facts[shard] = facts
            if seen is not None:
                self._learned[shard] = seen

    def forget(self, shard: int) -> None:
        """Drops what was learned of a shard."""
        self._facts.pop(shard, None)
        self._learned.pop(shard, None)

    def known_version(self, shard: int) -> Seen:
        """The version of a shard that facts were learned of, else the one that was listed."""
        listed = Seen(int(self.shards.sizes[shard]), self.shards.checksum(shard)) if self.reader.etl is None else None
        return self._learned.get(shard, listed or Seen(UNKNOWN_SIZE, None))

    def counts(self, shards: Iterable[int]) -> list[int]:
        """How many samples each shard has: from its index, else from the server's listing, else by reading it."""
        return [facts.samples for facts in self._facts_of(shards)]

    def file_counts(self, shards: Iterable[int]) -> list[int]:
        """How many files each shard has, where indices are not used."""
        return [facts.files for facts in self._facts_of(shards)]

    def recount(self, shards: Iterable[int]) -> None:
        """Learns what shards hold by reading them, whatever the server has told: it does not count links, for one."""
        for shard, scanned in self._scan(list(shards)):
            self.forget(shard)
            self.learn(shard, scanned.facts, scanned.seen)

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
        for shard, scanned in self._scan(unknown):
            self.learn(shard, scanned.facts, scanned.seen)
        return [self._facts[shard] for shard in wanted]

    def _read_indices(self, shards: list[int]) -> Iterator[tuple[int, MemberIndex | None]]:
        kept = {shard: index for shard in shards if (index := self._latest.get(shard)) is not None}
        yield from kept.items()
        shards = [shard for shard in shards if shard not in kept]
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
            self.give_up_index(shard, f"the index of {self.url(shard)} has been deleted since it was listed")
            return None

    def _usable(self, shard: int, content: bytes) -> MemberIndex | None:
        try:
            index = MemberIndex.from_bytes(content, self.url(shard))
        except ShardIndexError as error:
            self.give_up_index(shard, str(error))
            return None
        if not self._is_of(shard, index):
            self._refresh(shard)  # both may have been written anew since they were listed
            if not self._is_of(shard, index):
                cause = f"the index of {self.url(shard)} belongs to an earlier version of it: write it anew"
                self.give_up_index(shard, cause)
                return None
        self._latest.keep(shard, index)
        return index

    def _is_of(self, shard: int, index: MemberIndex) -> bool:
        size, checksum = int(self.shards.sizes[shard]), self.shards.checksum(shard)
        same_size = size < 0 or index.shard_size == size
        return same_size and (not checksum or index.shard_checksum in (0, checksum))

    def _refresh(self, shard: int) -> None:
        """Asks the server for the size and checksum that a shard has now; what it does not tell is unknown then."""
        source = bucket_of(self.reader.sources[int(self.shards.sources[shard])])
        if self.reader.etl is not None or source is None:
            return
        asked = self.shards.take([shard])
        asked = replace(asked, sizes=np.array([UNKNOWN_SIZE]), checksums=np.zeros(1, np.uint64))
        now = with_sizes(asked, [source] * (int(asked.sources[0]) + 1))
        sizes, checksums = self.shards.sizes.copy(), self.shards.checksums.copy()
        sizes[shard], checksums[shard] = now.sizes[0], now.checksums[0]
        self.shards = replace(self.shards, sizes=sizes, checksums=checksums)

    def _scan(self, shards: Sequence[int]) -> Iterator[tuple[int, Scanned]]:
        """One pass over the headers of shards."""
        return scan(self.reader, self.shards, shards, self.url)

    def _index_of(self, shard: int, scanned: Scanned) -> MemberIndex:
        return scanned.to_index(self.url(shard), int(self.shards.sizes[shard]))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_latest": Latest()}
