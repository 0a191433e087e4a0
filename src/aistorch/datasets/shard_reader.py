"""The iterable dataset over shards: samples made of the files in TAR archives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from aistore.sdk import AISSource
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object
from numpy.typing import NDArray

from aistorch.config import ReadConfig, ShuffleConfig
from aistorch.datasets.base_iter import AISBaseIterDataset
from aistorch.datasets.etl import etl_config
from aistorch.datasets.placed_shards import PlacedShards
from aistorch.datasets.shard_order import OrderedByShard, Reading, ShardPlace
from aistorch.errors import InvalidArgumentError, NewExtensionWarning
from aistorch.fetch.reader import Reader
from aistorch.index.object_index import ObjectIndex
from aistorch.loading.by_position import Place
from aistorch.loading.split import Slot, Split
from aistorch.loading.worker_slots import Share
from aistorch.order.partition import Even
from aistorch.order.shard_sequence import ShardSequence
from aistorch.order.shards import Piece
from aistorch.progress import Progress
from aistorch.shards.catalog import Catalog
from aistorch.shards.grouping import Group
from aistorch.shards.pieces import PieceReader, in_flight
from aistorch.shards.stream import ShardSample, ShardStream
from aistorch.shards.zero_dict import ZeroDict as _ZeroDict
from aistorch.sources.resolve import PrefixMap, SourceList


class AISShardReader(OrderedByShard, AISBaseIterDataset):
    """Samples of shards, streamed: yields `(name: str, files: ZeroDict)`, the files by extension, as bytes.

    A shard is a TAR archive, plain or compressed (gzip, lz4, zstd: by its content, not its name), or a zip. A file's
    key is its folder and its name up to the first dot, the rest is its extension, and files of one key make a sample;
    that is the rule of webdataset. A sample's name is its base name, or its whole key in shards in which base names are
    not unique. Files without an extension belong to no sample.

    Every sample has all extensions of its shard, and of those read before it, with `b""` for what it lacks, so that the
    default collate function can make batches. They are known before the shard's end from, in this order:
    `extensions`; the index beside the shard (`ShardWriter`, `aistorch shard`); the shard itself, where it takes no more
    than three quarters of the byte budget, since it is held back then until it is complete; the server's listing of
    the archive.
    A larger shard of which none of these can tell is read twice: .tar.zst, the output of an ETL, and archives that were
    uploaded in parts, of which AIStore lists only the first part.

    Args:
        bucket_list (Bucket | list[Bucket]): Buckets or other sources, whose objects are shards; names ending in `.idx`
            are left out.
        prefix_map: See `AISBaseIterDataset`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each shard.
        show_progress (bool): Show a bar with samples and bytes a second; in a DataLoader's worker, with its number.
        partition_sources_by_worker: See `AISBaseIterDataset`.
        client_url: See `AISBaseIterDataset`.
        urls_list: See `AISBaseIterDataset`.
        config (ReadConfig): How shards are read.
        extensions (Sequence[str]): All extensions, where they are known; shards then stream without being held back. A
            file of another one is in its own sample only.
        group (str): "adjacent": the files of a sample stand side by side, and it is an error if they do not. "shard":
            they may stand anywhere in their shard, which is held in memory.
        shuffle (bool | ShuffleConfig): Read shards in another order each epoch, and shuffle samples within a gathering
            of them; True is `ShuffleConfig()`.
        seed (int): What that order depends on besides the epoch.
        batch_size (int): That of the DataLoader, which ranks and workers split by; `AISDataLoader` tells it.
        even (str): With several ranks: "pad" repeats samples, fewer than there are ranks, so that each rank has as
            many; "drop" leaves out as few; both must know how many samples each shard has, from its index, else the
            server's listing. "off" deals whole shards instead.
        rank (int): Of this process; by default what `torch.distributed` or `RANK` say when iteration starts.
        world_size (int): How many ranks there are; by default likewise.
        split (str): See `AISBaseIterDataset`.
    """

    ZeroDict = _ZeroDict

    def __init__(
        self,
        bucket_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        etl_name: str | ETLConfig | None = None,
        show_progress: bool = False,
        partition_sources_by_worker: bool = False,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        config: ReadConfig | None = None,
        extensions: Sequence[str] | None = None,
        group: Group = "adjacent",
        shuffle: bool | ShuffleConfig = False,
        seed: int = 0,
        batch_size: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
        split: Split | None = None,
    ) -> None:
        self._etl = etl_config(etl_name)  # refused before anything is listed
        self._etl_name = etl_name  # the name that subclasses written for the SDK's plugin use
        super().__init__(
            bucket_list, prefix_map, partition_sources_by_worker, client_url=client_url, urls_list=urls_list
        )
        self._set_order(
            shuffle=bool(shuffle), seed=seed, batch_size=batch_size, even=even, rank=rank, world_size=world_size,
            split=split,
        )  # fmt: skip
        self._gathering = shuffle if isinstance(shuffle, ShuffleConfig) else ShuffleConfig() if shuffle else None
        self._show_progress = show_progress
        self._config = config or ReadConfig()
        self._declared = tuple(extensions) if extensions is not None else None
        self._group = group
        self._doubted: set[int] = set()  # shards without samples by their index that were looked into
        if shuffle and self._order_unknown:
            raise InvalidArgumentError(f"shuffle is not possible: {self._order_unknown}")

    def __iter__(self) -> Iterator[ShardSample]:
        """The samples of this rank and worker.

        Raises:
            ShardError: A shard is damaged, or its files cannot be grouped; a `tarfile.TarError`, too.
            AIStorchError: A shard could not be listed or read. All samples of those before have been yielded.
        """
        samples = self._placed(self._start()) if self._has_places else self._samples(self._start_reading())
        if not self._show_progress:
            yield from samples
            return
        share = Share.of_this_process()
        with Progress(True, type(self).__name__, worker=share.worker if share.workers > 1 else None) as progress:
            for sample in samples:
                yield sample
                progress.update(_size(sample))

    def __len__(self) -> int:
        """How many samples this rank yields in an epoch.

        Known from the indices beside the shards; without one, the server's listing of each shard is asked for, and
        what that cannot open is read.
        """
        if self._order_unknown:
            world, counts = self._world, self._catalog.counts(range(len(self._catalog.shards)))
            return sum(counts[world.rank :: world.size])
        return self.samples_of_epoch() if self.counts_samples else self._samples_of_rank()

    @property
    def may_have_state(self) -> bool:
        """See `Ordered.may_have_state`."""
        return not self._order_unknown

    def samples_of_workers(self, workers: int) -> list[int]:
        """See `Ordered.samples_of_workers`."""
        if not self._order_unknown:
            return super().samples_of_workers(workers)
        raise InvalidArgumentError(f"how many samples each worker has is not known: {self._order_unknown}")

    def prepare(self, workers: int = 0) -> None:  # noqa: ARG002
        """Lists the shards, and counts their samples where that is needed, so that workers need not."""
        if self._order_unknown:
            return
        catalog = self._catalog
        if self.counts_samples or (self._world.size > 1 and self.even != "off"):
            catalog.counts(range(len(catalog.shards)))

    @property
    def counts_samples(self) -> bool:
        """Whether samples can be read by their positions: each shard has an index beside it."""
        return not self.iterates_itself and self._has_places

    @property
    def _has_places(self) -> bool:
        return not self._order_unknown and self._etl is None and self._group == "adjacent" and self._catalog.has_indices

    @property
    def index(self) -> ObjectIndex:
        """The shards: names, sizes, checksums and places, in columns; lists them at first."""
        return self._catalog.shards

    @cached_property
    def _reader(self) -> Reader:
        return Reader([selection.source for selection in self._selections], in_flight(self._config), self._etl)

    @cached_property
    def _catalog(self) -> Catalog:
        if self._chooses_objects:
            self._reset_iterator()
            return self._catalog_of(self._obj_iterator or ())
        return Catalog(self._reader, self._listed())

    def _catalog_of(self, objects: Iterable[Object]) -> Catalog:
        """That of shards which a subclass chooses, and which only their own readers read."""
        chosen = list(objects)
        index = ObjectIndex.from_names([each.name for each in chosen], foreign=dict(enumerate(chosen)))
        nobodys = cast(AISSource, None)  # they bring their own readers
        return Catalog(Reader([nobodys], self._reader.config, self._etl), index)

    def _own_shards(self, reading: Reading) -> tuple[Catalog, list[Piece]]:
        """Shards, and this worker's pieces of them."""
        world, share = reading.world, reading.share
        if self._chooses_objects:
            catalog = self._catalog_of(self._chosen_objects(Slot(world, share)))
        elif self._partition_sources_by_worker and share.workers > 1:
            own = self._list(lambda selection: selection.position % share.workers == share.worker)
            catalog = Catalog(self._reader, ObjectIndex.concat(list(own)))
        else:
            return self._catalog, self._pieces(world, share)
        return catalog, [Piece(shard) for shard in range(len(catalog.shards))]

    def _placed(self, place: Place) -> Iterator[ShardSample]:
        """The samples of a reader, by their positions."""
        alone = place.world.size == place.share.workers == 1
        shards = PlacedShards(self._catalog, self._declared)
        for sample in shards.read(self._sequence(place.begun.epoch), self._dealt(place, _BLOCK), alone):
            place.taken += 1
            yield sample

    def read_positions(self, epoch: int, blocks: Iterable[NDArray[np.int64]]) -> Iterator[ShardSample]:
        """See `OrderedByPosition.read_positions`."""
        return PlacedShards(self._catalog, self._declared).read(self._sequence(epoch), blocks)

    def _sequence(self, epoch: int) -> ShardSequence:
        """All samples in the order of an epoch."""
        shards = [piece.shard for piece in self._in_order(epoch)]
        ends = np.cumsum(self._counts(shards), dtype=np.int64)
        return ShardSequence(np.array(shards, dtype=np.int64), ends, self._window, self.seed, epoch)

    @property
    def _window(self) -> int:
        """Samples that are shuffled with one another: as many as `ShuffleConfig` allows, of average size."""
        if self._gathering is None:
            return 1
        samples, size = self._count(), int(self._catalog.shards.sizes.clip(0).sum())
        return max(1, min(self._gathering.buffer, self._gathering.max_bytes * samples // max(1, size)))

    def _unit(self, ranks: int) -> int:
        if self.batch_size or self._told_batches:
            return self.batch_size or 1
        # Batches of nobody in particular: the longer they are, the fewer requests for ranges of shards.
        return max(1, min(_UNIT, self._count() // (_UNITS * ranks)))

    def _count(self) -> int:
        return sum(self._counts(range(len(self._catalog.shards))))

    def _counts(self, shards: Sequence[int]) -> list[int]:
        """How many samples each of these shards has; an index that tells of none is not taken at its word."""
        catalog = self._catalog
        counts = catalog.counts(shards)
        empty = [each for each, count in zip(shards, counts, strict=True) if count == 0]
        if self._doubted.issuperset(empty):
            return counts
        catalog.recount(empty)
        self._doubted |= set(empty)
        return catalog.counts(shards)

    def _fingerprint(self) -> str:
        return self._catalog.shards.fingerprint()

    def _samples(self, reading: Reading) -> Iterator[ShardSample]:
        place = reading.place
        if self._partition_sources_by_worker and reading.world.size > 1:
            raise InvalidArgumentError(f"{reading.world.size} ranks cannot share the samples: {self._order_unknown}")
        catalog, pieces = self._own_shards(reading)
        if not reading.extensions:
            reading.note_extensions(place.piece, self._extensions_up_to(place, catalog, pieces))
        rest = pieces[place.piece :]
        if rest:
            rest[0] = rest[0].after(place.sample)
        held = (self._config.budget - self._reader.config.budget) // reading.share.workers
        hold = None if self._declared is not None else held
        runs = PieceReader(catalog.reader, catalog, self._opener(catalog, reading), hold).stream(rest)
        return self._follow(runs, reading, _size)

    def _extensions_up_to(self, place: ShardPlace, catalog: Catalog, pieces: Sequence[Piece]) -> Sequence[str]:
        """Those that samples have at a place; looked up, where a state had no room for them."""
        if self._declared is None and catalog.has_indices:
            return catalog.extensions(range(len(catalog.shards)))
        if self._declared is not None or place == ShardPlace():
            return self._declared or ()
        return catalog.extensions(piece.shard for piece in pieces[: place.piece + 1])

    def _opener(self, catalog: Catalog, reading: Reading) -> Callable[[Piece, int, int], ShardStream]:
        first_piece, declared = reading.place.piece, self._declared is not None
        extensions = dict.fromkeys(reading.extensions_of(first_piece))

        def open_stream(piece: Piece, number: int, first: int) -> ShardStream:
            shard, before = piece.shard, len(extensions)
            stream = ShardStream(
                catalog.url(shard),
                piece,
                extensions,
                facts=catalog.facts(shard),
                declared=declared,
                ask=lambda: catalog.ask_server(shard),
                group=self._group,
                first=first,
            )
            reading.note_extensions(first_piece + number, extensions)
            if 0 < before < len(extensions):
                _warn_of_new(catalog.url(shard), list(extensions)[before:])
            return stream

        return open_stream

    def _identity(self) -> dict[str, Any]:
        if self._order_unknown:
            raise InvalidArgumentError(f"{type(self).__name__} has no state to save or load: {self._order_unknown}")
        return super()._identity()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), **self._for_pickle(), "_reading": None, "_latest": None}


# Positions that are looked up together.
_BLOCK = 4096
# Samples that are dealt together where nobody said how long batches are: so many, but as many times to each rank.
_UNIT, _UNITS = 64, 16


def _warn_of_new(shard: str, extensions: list[str]) -> None:
    warnings.warn(
        f"{shard} is the first shard with {', '.join(map(repr, extensions))}, which the samples before it do not have, "
        "not even empty: torch's default collate function leaves them out of a batch that begins before this shard. "
        "Give the dataset extensions=[...], or write indices beside the shards: aistorch index-shards",
        NewExtensionWarning,
        stacklevel=2,
    )


def _size(sample: ShardSample) -> int:
    return sum(map(len, sample[1].values()))
