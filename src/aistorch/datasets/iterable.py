"""The iterable dataset: all objects, as fast as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from aistore.sdk.etl import ETLConfig
from numpy.typing import NDArray

from aistorch.config import ReadConfig
from aistorch.datasets.base_iter import AISBaseIterDataset
from aistorch.datasets.etl import etl_config
from aistorch.errors import InvalidArgumentError
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.reader import Reader
from aistorch.index.build import check_index
from aistorch.index.listing import PAGE_SIZE
from aistorch.index.object_index import ObjectIndex
from aistorch.loading.by_position import OrderedByPosition, Place
from aistorch.loading.protocol import Ordered
from aistorch.loading.split import Slot, Split
from aistorch.order.partition import Even
from aistorch.progress import Progress
from aistorch.sources.resolve import PrefixMap, SourceList


class AISIterDataset(OrderedByPosition, AISBaseIterDataset):
    """Objects of AIStore, each once an epoch: yields `(name: str, content: bytes)`.

    In the order of their listing the first sample is there as soon as the first page of the listing is. Where samples
    are shuffled, ranks share them or a state was loaded, the listing comes first. Many objects are under way at once.

    Ranks and workers share the samples, a batch each in turn. `AISDataLoader` tells the dataset how large batches are,
    and saves and restores its place for any number of both.

    Args:
        ais_source_list: See `AISBaseIterDataset`.
        prefix_map: See `AISBaseIterDataset`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
        show_progress (bool): Show a bar with objects and bytes a second; in a DataLoader's worker, with its number.
        partition_sources_by_worker: See `AISBaseIterDataset`. There is neither a shuffle nor a state then, and ranks do
            not share sources.
        client_url: See `AISBaseIterDataset`.
        urls_list: See `AISBaseIterDataset`.
        config (ReadConfig): How objects are read. With `in_order=False` there is no state.
        shuffle (bool): Another order each epoch, of all samples; no memory is needed for it. Each iteration is the next
            epoch, unless `set_epoch` says which it is.
        seed (int): What that order depends on besides the epoch, the same on all ranks.
        batch_size (int): That of the loader, so that each of its batches is one of the dataset's; None: samples are
            shared one by one, until an `AISDataLoader` tells its own.
        even (str): Ranks get as many samples each: "pad" repeats some from the start of the epoch, fewer than there are
            ranks, "drop" leaves as few out; "off": some ranks get a batch more.
        rank (int): This process among those that share the samples; with `world_size`. None: what `torch.distributed`
            or the environment variables `RANK` and `WORLD_SIZE` say when iteration starts.
        world_size (int): How many processes share them.
        split (str): See `AISBaseIterDataset`.
        index (ObjectIndex): What an earlier dataset of the same sources and prefixes has listed, or a part of it, such
            as `ObjectIndex.load(path)`; nothing is listed then.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        etl_name: str | ETLConfig | None = None,
        show_progress: bool = False,
        partition_sources_by_worker: bool = False,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        config: ReadConfig | None = None,
        shuffle: bool = False,
        seed: int = 0,
        batch_size: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
        split: Split | None = None,
        index: ObjectIndex | None = None,
    ) -> None:
        self._etl = etl_config(etl_name)  # refused before anything is listed
        self._etl_name = etl_name  # the name that subclasses written for the SDK's plugin use
        super().__init__(
            ais_source_list, prefix_map, partition_sources_by_worker,
            client_url=client_url, urls_list=urls_list,
        )  # fmt: skip
        self._set_order(
            shuffle=shuffle, seed=seed, batch_size=batch_size, even=even, rank=rank, world_size=world_size, split=split
        )
        self._show_progress = show_progress
        self._config = config or ReadConfig()
        if index is not None:
            check_index(index, self._selections, type(self).__name__)
            if self._chooses_objects:
                raise InvalidArgumentError(f"{type(self).__name__} chooses its objects itself: leave index out")
            self._index = index
        if shuffle and self._order_unknown:
            raise InvalidArgumentError(f"shuffle=True is not possible: {self._order_unknown}")

    @property
    def index(self) -> ObjectIndex:
        """What was listed: names, sizes, checksums and places of all objects, in columns; lists them at first."""
        return self._listed()

    def prepare(self, workers: int = 0) -> None:  # noqa: ARG002
        """Lists the objects, unless that has been done, so that workers share the index instead of listing."""
        if not self._order_unknown:
            self._listed()

    @cached_property
    def _reader(self) -> Reader:
        sources = [selection.source for selection in self._selections]
        return Reader(sources, self._config, self._etl)

    def __len__(self) -> int:
        """How many samples this rank has in an epoch; lists the objects, unless that has been done."""
        return super().__len__() if self._order_unknown else self.samples_of_epoch()

    def batches_of_epoch(self, workers: int, batch_size: int | None, drop_last: bool = False) -> int:
        """See `Ordered.batches_of_epoch`."""
        if self._order_unknown:
            return Ordered.batches_of_epoch(self, workers, batch_size, drop_last)
        return super().batches_of_epoch(workers, batch_size, drop_last)

    @property
    def may_have_state(self) -> bool:
        """See `Ordered.may_have_state`."""
        return not self._order_unknown and self._config.in_order

    def samples_of_workers(self, workers: int) -> list[int]:
        """See `Ordered.samples_of_workers`."""
        return self._chosen_by_workers(workers)

    def __iter__(self) -> Iterator[Sample]:
        """The samples of this worker of this rank.

        Raises:
            AIStorchError: An object could not be listed or read; all before it have been yielded.
        """
        place = self._start()
        if self._partition_sources_by_worker and place.world.size > 1:
            raise InvalidArgumentError(f"{place.world.size} ranks cannot share the samples: {self._order_unknown}")
        return self._samples(place)

    def read_positions(self, epoch: int, blocks: Iterable[NDArray[np.int64]]) -> Iterator[Sample]:
        """See `OrderedByPosition.read_positions`."""
        indices = map(self._shuffled(epoch), blocks)
        return chain.from_iterable(self._reader.stream(self._pages_of(indices)))

    @property
    def counts_samples(self) -> bool:
        """Whether there is a sample for each object, in an order that is known."""
        return not (self.iterates_itself or self._order_unknown) and self._config.in_order

    def _samples(self, place: Place) -> Iterator[Sample]:
        if not self._show_progress:
            yield from self._counted(place)
            return
        with self._progress(place) as progress:
            for sample in self._counted(place):
                yield sample
                progress.update(len(sample[1]))

    def _counted(self, place: Place) -> Iterator[Sample]:
        for run in self._runs(place):
            for sample in run:
                place.taken += 1
                yield sample

    def _runs(self, place: Place) -> Iterator[list[Sample]]:
        if self._chooses_objects:
            return read_objects(self._chosen_objects(Slot(place.world, place.share)), self._etl)
        return self._reader.stream(self._pages_at(place))

    def _pages_at(self, place: Place) -> Iterable[ObjectIndex]:
        if self.shuffle or place.world.size > 1 or not place.is_start():
            return self._dealt_pages(place)
        return self._worker_pages(place.share, self.batch_size or 1)

    def _dealt_pages(self, place: Place) -> Iterator[ObjectIndex]:
        return self._pages_of(self._positions(place, PAGE_SIZE))

    def _pages_of(self, blocks: Iterable[NDArray[np.int64]]) -> Iterator[ObjectIndex]:
        for indices in blocks:
            for first in range(0, len(indices), PAGE_SIZE):
                yield self.index.take(indices[first : first + PAGE_SIZE])

    def _progress(self, place: Place) -> Progress:
        title = type(self).__name__
        if place.share.workers > 1:
            return Progress(True, title, worker=place.share.worker)
        if self._index is None or self._order_unknown:
            return Progress(True, title)
        total = self._deal(place.begun).samples_of(place.world.rank) - place.begun.taken
        return Progress(True, title, total=total)

    def _count(self) -> int:
        return len(self.index)

    def _fingerprint(self) -> str:
        return self.index.fingerprint()

    def _identity(self) -> dict[str, Any]:
        reason = self._order_unknown
        if not self._config.in_order:
            reason = "with ReadConfig(in_order=False) samples come as they arrive"
        if reason:
            raise InvalidArgumentError(f"{type(self).__name__} has no state to save or load: {reason}")
        return super()._identity()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), **self._for_pickle(), "_latest": None}
