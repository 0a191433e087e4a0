"""The map-style dataset over shards: any sample by its index, read by a range of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat
from operator import index as as_index
from typing import NamedTuple

import numpy as np
from aistore.sdk.etl import ETLConfig
from numpy.typing import NDArray

from aistorch.config import ReadConfig
from aistorch.datasets.base_map import AISBaseMapDataset
from aistorch.datasets.etl import etl_config
from aistorch.datasets.whole_shards import WholeShards
from aistorch.errors import ObjectReplacedError, SampleIndexError, ShardError
from aistorch.fetch.chunks import Chunk, Extent, stream_chunks
from aistorch.fetch.reader import Reader
from aistorch.progress import Progress
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.names import base_name
from aistorch.shards.pieces import in_flight
from aistorch.shards.sample_ranges import SampleRanges
from aistorch.shards.stream import ShardSample
from aistorch.shards.versions import Seen
from aistorch.shards.zero_dict import ZeroDict
from aistorch.sources.resolve import PrefixMap, SourceList

# How often a batch is read, since its shards were overwritten meanwhile, before that is an error.
_ATTEMPTS = 3


class AISShardMapDataset(AISBaseMapDataset):
    """Samples of shards by their index: `dataset[i]` is `(name: str, files: ZeroDict)`, as in `AISShardReader`.

    Only the bytes of the samples asked for are read. Where they lie is known from the indices beside the shards, as
    `ShardWriter` and `aistorch shard` write them; a shard without one is read through once, when the dataset is made.
    Shards cannot be compressed, and the files of a sample should stand side by side.

    All samples have all extensions, with `b""` for what they lack.

    With an ETL there are no ranges: all shards are read through it when the dataset is made, and then a whole shard for
    any of its samples, once for all of a batch. The last ones are kept, within three quarters of the byte budget. A
    random order over more shards than that holds reads a shard for nearly each sample: use `AISShardReader` with
    `shuffle` there.

    Args:
        bucket_list (Bucket | list[Bucket]): Buckets or object groups, whose objects are shards; names ending in `.idx`
            are left out.
        prefix_map: See `AISBaseMapDataset`.
        client_url: See `AISBaseMapDataset`.
        urls_list: See `AISBaseMapDataset`.
        show_progress (bool): Show a progress bar while shards are listed and indices are read.
        config (ReadConfig): How samples are read.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each shard; it must make as many
            samples of it each time. What it makes may be compressed.

    Raises:
        ShardError: A shard without an index is damaged or, without an ETL, compressed; a `tarfile.TarError`, too.
        AIStorchError: See `AISBaseMapDataset`.
    """

    def __init__(
        self,
        bucket_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        show_progress: bool = False,
        config: ReadConfig | None = None,
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        self._etl = etl_config(etl_name)  # refused before anything is listed
        super().__init__(
            bucket_list, prefix_map, client_url=client_url, urls_list=urls_list, show_progress=show_progress
        )
        self._config = config or ReadConfig()
        self._catalog = catalog = Catalog(self._reader, self._index)
        self._index = catalog.shards
        with Progress(show_progress, f"{type(self).__name__}: indices", unit="shards") as progress:
            self._shards = [_Shard.of(members) for members in catalog.all_indices()]
            progress.update(int(self._index.sizes.clip(0).sum()), len(self._shards))
        self._ends = np.cumsum([len(shard.members) for shard in self._shards], dtype=np.int64)
        self._extensions = dict.fromkeys(each for shard in self._shards for each in shard.members.extensions)
        self._whole = None if self._etl is None else self._whole_shards(catalog)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of all files of each sample."""
        return np.concatenate([np.zeros(0, np.int64), *(shard.sizes() for shard in self._shards)])

    def __len__(self) -> int:
        """How many samples there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> ShardSample:
        """The sample's name and its files by extension; a negative index counts from the end.

        Raises:
            SampleIndexError: The index lies outside; an `IndexError`, too.
            AIStorchError: The sample could not be read.
        """
        return self._read([index])[0]

    def __getitems__(self, indices: list[int]) -> list[ShardSample]:
        """The samples of a batch, in the order of the indices, read concurrently.

        Where a subclass has a `__getitem__` of its own, that makes them, one after another.
        """
        if type(self).__getitem__ is not AISShardMapDataset.__getitem__:
            return super().__getitems__(indices)
        return self._read(indices)

    @cached_property
    def _reader(self) -> Reader:
        config = self._config if self._etl is None else in_flight(self._config)
        return Reader([selection.source for selection in self._selections], config, self._etl)

    def _whole_shards(self, catalog: Catalog) -> WholeShards:
        members = [shard.members for shard in self._shards]
        return WholeShards(catalog, members, self._extensions, self._config.budget - self._reader.config.budget)

    def _read(self, indices: Sequence[int]) -> list[ShardSample]:
        wanted = [self._locate(as_index(index)) for index in indices]
        if self._whole is not None:
            return self._whole.read(wanted)
        samples: dict[int, ShardSample] = {}
        for _ in range(_ATTEMPTS):
            missing = [place for place in range(len(wanted)) if place not in samples]
            if not missing:
                return [samples[place] for place in range(len(wanted))]
            wrong: dict[int, bool] = {}
            found = self._by_ranges([wanted[place] for place in missing], wrong)
            samples |= {place: each for place, each in zip(missing, found, strict=True) if each is not None}
            for shard, misled in wrong.items():
                self._renew(shard, misled)
        shard = wanted[missing[0]][0]
        raise ShardError(self._catalog.url(shard), problem="it is overwritten again and again while it is read")

    def _by_ranges(self, wanted: Sequence[tuple[int, int]], wrong: dict[int, bool]) -> Iterator[ShardSample | None]:
        """The samples by ranges; None for one that could not be read, and may be once `wrong` shards are renewed.

        Of those it is noted whether they have other files than their index says, else they were overwritten.
        """
        ranges = [SampleRanges.of(self._shards[shard].members, number) for shard, number in wanted]
        extents = [Extent(shard, *span) for (shard, _), each in zip(wanted, ranges, strict=True) for span in each.spans]
        contents = self._contents(extents, wrong)
        for (shard, _), each in zip(wanted, ranges, strict=True):
            parts = [content for content in islice(contents, len(each.spans)) if content is not None]
            yield self._sample(shard, each, parts, wrong) if len(parts) == len(each.spans) else None

    def _contents(self, extents: Sequence[Extent], wrong: dict[int, bool]) -> Iterator[bytes | None]:
        """The bytes of each extent; None where its shard was overwritten, and for all behind one that has shrunk."""
        done = 0
        try:
            for first, content in _joined(stream_chunks(self._reader, self._index, extents)):
                shard = extents[done].position
                done += 1
                differs = self._shards[shard].seen.differs(first)
                if differs:
                    wrong[shard] = False
                yield None if differs else content
        except ObjectReplacedError:
            wrong[extents[done].position] = False
        yield from repeat(None, len(extents) - done)

    def _sample(
        self, shard: int, ranges: SampleRanges, contents: Sequence[bytes], wrong: dict[int, bool]
    ) -> ShardSample | None:
        known = self._shards[shard]
        files = ranges.cut(contents, self._catalog.url(shard), known.members.heads)
        if files is None:
            wrong.setdefault(shard, True)
            return None
        return ranges.key if known.by_key else base_name(ranges.key), ZeroDict(files, self._extensions)

    def _renew(self, shard: int, misled: bool) -> None:
        """Looks anew at a shard that is not as it was.

        Raises:
            ShardError: It has not as many samples as before, or cannot be read by ranges.
        """
        url, before = self._catalog.url(shard), len(self._shards[shard].members)
        members = self._catalog.renew(shard, misled)
        self._index = self._catalog.shards
        if members is None or len(members) != before:
            now = "cannot be read by ranges" if members is None else f"has {len(members)}"
            problem = f"it had {before} samples when the dataset was made, and {now} now that it was overwritten"
            raise ShardError(url, problem=f"{problem}: make the dataset anew")
        self._shards[shard] = _Shard.of(members)
        self._extensions |= dict.fromkeys(members.extensions)

    def _locate(self, index: int) -> tuple[int, int]:
        """The shard of a sample, and its number there."""
        count = len(self)
        if not -count <= index < count:
            raise SampleIndexError(f"{type(self).__name__}: index {index} is outside a dataset of {count} samples")
        position = index % count
        shard = int(np.searchsorted(self._ends, position, side="right"))
        return shard, position - int(self._ends[shard]) + len(self._shards[shard].members)


class _Shard(NamedTuple):
    """What is known of one shard."""

    members: MemberIndex
    by_key: bool
    seen: Seen

    @classmethod
    def of(cls, members: MemberIndex) -> _Shard:
        seen = Seen(members.shard_size, members.shard_checksum or None)
        return cls(members, Facts.of_index(members).by_key, seen)

    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each sample."""
        if not len(self.members):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.members.sizes, self.members.firsts[:-1])


def _joined(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
    """The first chunk of each extent, and its whole content."""
    parts: list[bytes] = []
    for chunk in chunks:
        if not parts:
            first = chunk
        parts.append(bytes(chunk.content))
        if chunk.last:
            yield first, parts[0] if len(parts) == 1 else b"".join(parts)
            parts = []
