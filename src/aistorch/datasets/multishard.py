"""The iterable dataset over several rows of shards, read side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any

import xxhash
from aistore.sdk import DataShard
from torch.utils.data import IterableDataset

from aistorch.config import ReadConfig, ShuffleConfig
from aistorch.datasets.etl import etl_config
from aistorch.datasets.shard_order import OrderedByShard
from aistorch.errors import (
    ArgumentTypeError,
    InvalidArgumentError,
    StateMismatchError,
    UnequalLengthsError,
    UnequalLengthsWarning,
)
from aistorch.fetch.reader import Reader
from aistorch.index.build import build_index
from aistorch.loading.ranks import World
from aistorch.loading.split import Split
from aistorch.order.partition import Even
from aistorch.order.shards import Piece, pieces_of_run, run_of_rank, run_of_worker
from aistorch.shards.catalog import Catalog
from aistorch.shards.files import FileStream, NamedFile
from aistorch.shards.pairing import Pairing
from aistorch.shards.pieces import PieceReader, Run
from aistorch.shards.zip import ZIP_SUFFIX
from aistorch.sources.resolve import Selection

Contents = tuple[bytes, ...]


class AISMultiShardStream(OrderedByShard, IterableDataset[Contents]):
    """The files of several rows of shards, side by side: yields a tuple with the content of one file of each.

    File i of each row makes sample i. A row is all shards of a `DataShard`, sorted by name, and its files come in the
    order of their archive; what macOS puts beside files, `._name`, counts for none. Where rows have files of the same
    keys (base names up to the first dot), those of a sample must have the same one.

    Several ranks or workers each read a part of the samples; for that, and for `len()`, the server's listing of each
    shard is asked for.

    Args:
        data_sources (list[DataShard]): The rows, each with an ETL of its own where it names one.
        strict (bool): Whether it is an error if rows differ in length; else a warning, and the samples end with the
            shortest row.
        config (ReadConfig): How shards are read; the rows share the byte budget.
        shuffle (bool | ShuffleConfig): Shuffle samples within a gathering of them; shards stay in order, since those of
            the rows belong together.
        seed (int): What that order depends on besides the epoch.
        batch_size: See `AISShardReader`.
        even (str): With several ranks: "pad" repeats samples, fewer than there are ranks, so that each has as many;
            "drop" leaves out as few; "off" lets them differ by one.
        rank: See `AISShardReader`.
        world_size: See `AISShardReader`.
        split: See `AISBaseIterDataset`.

    Raises:
        ArgumentTypeError: A source is no `DataShard`; a `TypeError`, too.
        InvalidArgumentError: There are no sources; a `ValueError`, too.
    """

    def __init__(
        self,
        data_sources: Sequence[DataShard],
        *,
        strict: bool = True,
        config: ReadConfig | None = None,
        shuffle: bool | ShuffleConfig = False,
        seed: int = 0,
        batch_size: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
        split: Split | None = None,
    ) -> None:
        super().__init__()
        self._data_sources = _checked(data_sources)
        self._strict = strict
        self._config = config or ReadConfig()
        self._set_order(
            shuffle=bool(shuffle), seed=seed, batch_size=batch_size, even=even, rank=rank, world_size=world_size,
            split=split,
        )  # fmt: skip
        self._gathering = shuffle if isinstance(shuffle, ShuffleConfig) else ShuffleConfig() if shuffle else None

    def __iter__(self) -> Iterator[Contents]:
        """The samples of this rank and worker.

        Warns:
            UnequalLengthsWarning: Rows differ in length, and `strict` is False.

        Raises:
            UnequalLengthsError: Rows differ in length, and `strict` is True.
            UnpairedFilesError: Files of different keys stand side by side, in rows that have the same keys.
            ShardError: A shard is damaged; a `tarfile.TarError`, too.
            AIStorchError: A shard could not be listed or read.
        """
        reading, rows = self._start_reading(), self._rows
        if reading.world.size == reading.share.workers == 1 and not reading.place.sample:
            pieces = [[Piece(shard) for shard in range(len(row.catalog.shards))] for row in rows]
        else:
            run = run_of_worker(self._run(reading.world), self.batch_size or 1, *reading.share)
            if reading.place.sample > len(run):
                raise StateMismatchError(f"the state's sample is {reading.place.sample}, of {len(run)} samples")
            run = run[reading.place.sample :]
            pieces = [list(pieces_of_run(run, range(len(counts)), counts)) for counts in self._counts]
        return self._follow(_in_runs(self._side_by_side(pieces)), reading, _size)

    def __len__(self) -> int:
        """How many samples this rank yields in an epoch; asks the server for the listing of each shard."""
        return len(self._run(self._world))

    def samples_of_workers(self, workers: int) -> list[int]:
        """See `Ordered.samples_of_workers`."""
        if workers == 1 or "workers" not in self.split:
            return [len(self)] * workers
        run = self._run(self._world)
        return [len(run_of_worker(run, self.batch_size or 1, worker, workers)) for worker in range(workers)]

    def prepare(self, workers: int = 0) -> None:
        """Lists the shards, and counts their files where ranks share them, so that workers need not."""
        if self._world.size > 1 or workers > 1:
            self._counts  # noqa: B018  # kept
        else:
            self._rows  # noqa: B018

    def _side_by_side(self, pieces: list[list[Piece]]) -> Iterator[Contents]:
        rows = [row.files(part) for row, part in zip(self._rows, pieces, strict=True)]
        pairing = Pairing([str(row) for row in self._rows])
        for files in zip_longest(*rows):
            if None in files:  # a row has ended before the others; where they are split, that is known before
                self._complain()
                return
            names, contents = zip(*files, strict=True)
            pairing.check(names)
            yield contents

    def _run(self, world: World) -> range:
        """The positions of the samples of a rank; those past the last one begin again with the first."""
        total = sum(self._counts[0])
        if self.even == "off":
            return range(total * world.rank // world.size, total * (world.rank + 1) // world.size)
        return run_of_rank(total, *world, pad=self.even == "pad")

    @cached_property
    def _counts(self) -> list[list[int]]:
        """How many files the shards of each row have, up to the end of the shortest row."""
        counts = [row.counts() for row in self._rows]
        if len({sum(of_row) for of_row in counts}) > 1:
            for row in self._rows:  # before anybody is told
                row.recount()
            counts = [row.counts() for row in self._rows]
        if len({sum(of_row) for of_row in counts}) > 1:
            self._complain()
        shortest = min(map(sum, counts))
        return [_up_to(shortest, of_row) for of_row in counts]

    def _complain(self) -> None:
        lengths = ", ".join(f"{row} has {sum(row.counts())}" for row in self._rows)
        text = f"the sources of {type(self).__name__} differ in their number of files: {lengths}"
        if self._strict:
            raise UnequalLengthsError(f"{text}; complete the shorter ones, or pass strict=False to end with them")
        warnings.warn(f"{text}; samples end with the shortest", UnequalLengthsWarning, stacklevel=4)

    @cached_property
    def _rows(self) -> list[_Row]:
        # Half of the budget is for the files that wait for those of the other rows.
        config = replace(self._config, budget=max(1, self._config.budget // (2 * len(self._data_sources))))
        return [_Row.of(source, config) for source in self._data_sources]

    def _listing(self) -> dict[str, Any]:
        shards = [row.catalog.shards for row in self._rows]
        together = "".join(index.fingerprint() for index in shards).encode()
        return {"count": sum(map(len, shards)), "fingerprint": xxhash.xxh3_128_hexdigest(together)}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **self._for_pickle(), "_reading": None}


@dataclass
class _Row:
    """The shards of one source. Can be pickled."""

    source: DataShard
    reader: Reader
    catalog: Catalog

    @classmethod
    def of(cls, source: DataShard, config: ReadConfig) -> _Row:
        """Lists the shards of a source."""
        bucket = source.bucket
        reader = Reader([bucket], config, etl_config(source.etl_name))
        return cls(source, reader, Catalog(reader, build_index([Selection(bucket, source.prefix or "")]), False))

    def counts(self) -> list[int]:
        """How many files each shard has."""
        return self.catalog.file_counts(range(len(self.catalog.shards)))

    def recount(self) -> None:
        """Has the files counted by reading the shards; zips, which the server alone reads, excepted."""
        shards = self.catalog.shards
        self.catalog.recount(n for n in range(len(shards)) if not shards.name(n).endswith(ZIP_SUFFIX))

    def files(self, pieces: Sequence[Piece]) -> Iterator[NamedFile]:
        """The files of these pieces."""
        reader = PieceReader(self.reader, self.catalog, self._open, every_file=True)
        return chain.from_iterable(run.samples for run in reader.stream(pieces))

    def _open(self, piece: Piece, _: int, __: int) -> FileStream:
        return FileStream(piece)

    def __str__(self) -> str:
        return str(Selection(self.source.bucket, self.source.prefix or ""))


def _in_runs(samples: Iterable[Contents]) -> Iterator[Run[Contents]]:
    for position, sample in enumerate(samples):
        yield Run(0, position, [sample])


def _up_to(total: int, counts: Sequence[int]) -> list[int]:
    """Counts, cut where their sum reaches `total`."""
    cut = []
    for count in counts:
        cut.append(min(count, total))
        total -= cut[-1]
    return cut


def _size(sample: Contents) -> int:
    return sum(map(len, sample))


def _checked(data_sources: Sequence[DataShard]) -> list[DataShard]:
    if isinstance(data_sources, DataShard):
        data_sources = [data_sources]
    sources = list(data_sources)
    for source in sources:
        if not isinstance(source, DataShard):
            raise ArgumentTypeError(
                f"AISMultiShardStream: data_sources must hold aistore.sdk.DataShards, not {type(source).__name__}"
            )
    if not sources:
        raise InvalidArgumentError("AISMultiShardStream has nothing to read: give data_sources=[DataShard(...), ...]")
    return sources
