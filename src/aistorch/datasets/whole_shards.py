"""Samples by their index from shards that come whole, since they are what an ETL makes: the last ones are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from aistorch.errors import ShardError
from aistorch.loading.worker_slots import Share
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.pieces import PieceReader
from aistorch.shards.stream import ShardSample, ShardStream
from aistorch.shards.zero_dict import ZeroDict


class WholeShards:
    """Reads shards, and keeps the samples of the last ones. Holds no connection; can be pickled.

    Args:
        catalog: The shards.
        members: What each held when it was looked through.
        extensions: Those that all samples have.
        limit: Bytes of samples that are kept, by all workers together; the last shard is in any case.
    """

    def __init__(
        self, catalog: Catalog, members: Sequence[MemberIndex], extensions: dict[str, None], limit: int
    ) -> None:
        self._catalog = catalog
        self._facts = [Facts.of_index(each) for each in members]
        self._bytes = [int(each.sizes.sum()) for each in members]
        self._extensions = extensions
        self._limit = limit
        # By shard, the one used last at the end. Replaced and never changed, since other threads may look at it.
        self._kept: dict[int, list[ShardSample]] = {}

    def read(self, wanted: Sequence[tuple[int, int]]) -> list[ShardSample]:
        """Samples by their shard and their number there; each shard is read once at most.

        Raises:
            ShardError: A shard is damaged, or has not as many samples as before.
            AIStorchError: A shard could not be read.
        """
        numbers: dict[int, set[int]] = {}
        for shard, number in wanted:
            numbers.setdefault(shard, set()).add(number)
        found: dict[tuple[int, int], ShardSample] = {}
        for shard, samples in self._samples_of(numbers):
            found |= {(shard, number): samples[number] for number in numbers[shard]}
        # Whoever gets a sample may change it, but not the one that is kept.
        return [(name, ZeroDict(files)) for name, files in map(found.__getitem__, wanted)]

    def _samples_of(self, shards: Iterable[int]) -> Iterator[tuple[int, list[ShardSample]]]:
        missing = []
        for shard in shards:
            if (samples := self._kept.get(shard)) is None:
                missing.append(shard)
            else:
                yield self._keep(shard, samples)
        runs = PieceReader(self._catalog.reader, self._catalog, self._open).stream([Piece(each) for each in missing])
        for number, group in groupby(runs, lambda run: run.piece):
            yield self._keep(missing[number], [sample for run in group for sample in run.samples])

    def _open(self, piece: Piece, _: int, __: int) -> ShardStream:
        return ShardStream(
            self._catalog.url(piece.shard),
            piece,
            self._extensions,
            facts=self._facts[piece.shard],
            declared=True,
            ask=lambda: None,
            group="shard",
        )

    def _keep(self, shard: int, samples: list[ShardSample]) -> tuple[int, list[ShardSample]]:
        if len(samples) != (before := self._facts[shard].samples):
            problem = f"the ETL made {before} samples of it at first, and {len(samples)} now: make the dataset anew"
            raise ShardError(self._catalog.url(shard), problem=problem)
        self._kept = self._latest(shard) | {shard: samples}
        return shard, samples

    def _latest(self, shard: int) -> dict[int, list[ShardSample]]:
        """Of the other shards, those used last that may be kept beside this one."""
        kept, room = self._kept, self._limit // Share.of_this_process().workers - self._bytes[shard]
        latest: list[int] = []
        for other in reversed(kept):
            if other != shard:
                room -= self._bytes[other]
                if room < 0:
                    break
                latest.append(other)
        return {other: kept[other] for other in reversed(latest)}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}
