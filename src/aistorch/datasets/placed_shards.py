"""Samples of shards by their positions in an epoch, where it is known where each of them lies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import ShardError
from aistorch.order.shard_sequence import Gather, ShardSequence
from aistorch.order.shards import Piece
from aistorch.shards.catalog import Catalog
from aistorch.shards.pieces import PieceReader, Run
from aistorch.shards.scattered import ScatteredSamples
from aistorch.shards.stream import ShardSample, ShardStream
from aistorch.shards.zero_dict import ZeroDict

# Samples of a range that make it worth a look at the headers of all of it.
_FEW = 8


class PlacedShards:
    """Reads samples by position: ranges of shards, those that follow one another as one.

    Args:
        catalog: The shards, each with an index.
        declared: All extensions that samples have; None: those of all shards.
    """

    def __init__(self, catalog: Catalog, declared: Sequence[str] | None) -> None:
        self._catalog = catalog
        self._is_declared = declared is not None
        known = catalog.extensions(range(len(catalog.shards))) if declared is None else declared
        self._extensions = dict.fromkeys(known)

    def read(
        self, sequence: ShardSequence, blocks: Iterable[NDArray[np.int64]], alone: bool = False
    ) -> Iterator[ShardSample]:
        """The samples at these positions, in their order; the next ones are under way meanwhile.

        Args:
            sequence: What the positions stand for.
            blocks: The positions, some at a time.
            alone: Whether nobody else reads samples of these shards, and none are shuffled: then a shard may have been
                replaced by one of another number of samples, all of which come.

        Raises:
            ShardError: A shard is damaged, or has not as many samples as were counted.
        """
        coming_gathers = sequence.gathers(blocks)
        first = next(coming_gathers, None)
        if first is None:
            return
        gathers = chain([first], coming_gathers)
        # A part of each window is many ranges of few samples, each with a request of its own; and else few of many.
        is_scattered = first.order is not None and len(first.pieces) * _FEW > first.samples
        yield from self._scattered(gathers) if is_scattered else self._pieces(gathers, alone and first.order is None)

    def _scattered(self, gathers: Iterable[Gather]) -> Iterator[ShardSample]:
        begun = deque[Gather]()

        def wanted() -> Iterator[tuple[int, int]]:
            for gather in gathers:
                begun.append(gather)
                for piece, count in zip(gather.pieces, gather.counts, strict=True):
                    yield from ((piece.shard, number) for number in range(piece.first, piece.first + count))

        samples = ScatteredSamples(self._catalog, self._extensions).stream(wanted())
        for sample in samples:
            yield from _handed_out(begun.popleft(), chain([sample], samples))

    def _pieces(self, gathers: Iterable[Gather], alone: bool) -> Iterator[ShardSample]:
        begun, coming = deque[Gather](), deque[tuple[int, int]]()

        def pieces() -> Iterator[Piece]:
            for gather in gathers:
                begun.append(gather)
                coming.extend((piece.shard, count) for piece, count in zip(gather.pieces, gather.counts, strict=True))
                yield from gather.pieces

        runs = PieceReader(self._catalog.reader, self._catalog, self._open).stream(pieces())
        if alone:
            yield from chain.from_iterable(run.samples for run in runs)
            return
        samples = self._counted(runs, coming)
        for sample in samples:  # the gather that it begins is known by then
            yield from _handed_out(begun.popleft(), chain([sample], samples))

    def _open(self, piece: Piece, _: int, first: int) -> ShardStream:
        catalog = self._catalog
        return ShardStream(
            catalog.url(piece.shard),
            piece,
            self._extensions,
            facts=catalog.facts(piece.shard),
            declared=self._is_declared,
            ask=lambda: catalog.ask_server(piece.shard),
            group="adjacent",
            first=first,
        )

    def _counted(self, runs: Iterable[Run[ShardSample]], coming: deque[tuple[int, int]]) -> Iterator[ShardSample]:
        """The samples of pieces, each of a shard and of so many samples."""
        for done, (number, group) in enumerate(groupby(runs, lambda run: run.piece)):
            if number > done:  # one that gave no samples at all
                self._complain(coming[0][0])
            shard, left = coming.popleft()
            for run in group:
                left -= len(run.samples)
                yield from run.samples[:left] if left < 0 else run.samples
                if left < 0:
                    break
            if left:
                self._complain(shard)
        if coming:
            self._complain(coming[0][0])

    def _complain(self, shard: int) -> NoReturn:
        problem = (
            f"it does not have the {self._catalog.counts([shard])[0]} samples that were counted in it: it has been "
            "replaced since. Begin the epoch anew with a new dataset"
        )
        raise ShardError(self._catalog.url(shard), problem=problem)


def _handed_out(gather: Gather, samples: Iterator[ShardSample]) -> Iterator[ShardSample]:
    """The samples of a gather, in its order."""
    if gather.order is None:
        yield from islice(samples, gather.samples)
        return
    read, handed = list(islice(samples, gather.samples)), set[int]()
    for number in gather.order.tolist():
        name, files = read[number]
        # Where ranks are padded a sample may come twice, and whoever gets it may change it.
        yield (name, ZeroDict(files)) if number in handed else (name, files)
        handed.add(number)
