"""The base class for iterable datasets of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from aistore.sdk import AISSource
from aistore.sdk.obj.object import Object
from torch.utils.data import IterableDataset

from aistorch.datasets.objects import ObjectSequence
from aistorch.index.build import build_index, whole_index
from aistorch.index.listing import PAGE_SIZE, list_pages, warn_of_empty
from aistorch.index.object_index import ObjectIndex
from aistorch.loading.split import Slot, Split, SplitMixin
from aistorch.loading.worker_slots import Share
from aistorch.sources.resolve import PrefixMap, Selection, SourceList, Sources, resolve_sources

# By replacing one of these a subclass chooses objects itself.
CHOOSING_HOOKS = ("_reset_iterator", "_create_objects_iter", "_get_sample_iter_from_source", "_get_worker_iter_info")


class AISBaseIterDataset(SplitMixin, ABC, IterableDataset[Any]):
    """Objects of AIStore one after another; a subclass says in `__iter__` what a sample is.

    Objects are listed once: by the first `len()`, or while they are iterated for the first time; a new dataset sees
    what has changed since. No connection is held, so it can be pickled at any time.

    Args:
        ais_source_list (AISSource | list[AISSource]): Buckets, object groups or any other source, read in this order.
        prefix_map (dict[AISSource, str | list[str]]): The prefixes wanted of a source; one without an entry, or with
            None, is wanted whole.
        partition_sources_by_worker (bool): Deal whole sources to the DataLoader's workers, so that each lists only its
            own; good where there are at least as many sources as workers. Else every worker lists all sources, and
            reads each of their objects in turn with the others.
        client_url (str): Endpoint for `urls_list`; the environment variable `AIS_ENDPOINT` by default.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider; they come before
            `ais_source_list`.
        split (str): Who shares the objects: "ranks+workers", "ranks", "workers" or "none". None: "ranks+workers",
            unless a framework that shares among ranks itself is seen to read the dataset; and an error where another
            dataset reads this one in several workers, since that may share among them, too.
        rank (int): This process among those that share the samples; with `world_size`. None: what `torch.distributed`
            or the environment says when iteration starts.
        world_size (int): How many processes share them.

    Raises:
        InvalidArgumentError: An argument cannot be used; a `ValueError`, too.
        ArgumentTypeError: An argument is of a wrong type; a `TypeError`, too.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        partition_sources_by_worker: bool = False,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        split: Split | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        owner = type(self).__name__
        self._init_split(split, rank, world_size)
        found = resolve_sources(ais_source_list, prefix_map, client_url=client_url, urls_list=urls_list, owner=owner)
        self._ais_source_list = found.sources
        self._prefix_map = found.prefix_map
        self._selections = found.selections()
        self._partition_sources_by_worker = partition_sources_by_worker
        self._index: ObjectIndex | None = None
        self._obj_iterator: Iterator[Object] | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """The samples, this worker's part of them."""

    def __len__(self) -> int:
        """How many objects this rank has; lists them, unless that has been done."""
        world = self._world
        return len(range(world.rank, self._objects_in_all(), world.size))

    def _objects_in_all(self) -> int:
        if self._chooses_objects:
            self._reset_iterator()
            chosen, self._obj_iterator = self._obj_iterator, None
            return sum(1 for _ in chosen or ())
        return len(self._listed())

    # Hooks that subclasses written for the SDK's plugin call or replace.

    def _reset_iterator(self) -> None:
        """Begin again with the first object."""
        self._obj_iterator = iter(self._create_objects_iter())

    def _create_objects_iter(self, sources: list[AISSource] | None = None) -> Iterable[Object]:
        """All objects of these sources, of all where none are given, as SDK objects."""
        if sources is None and self._index is not None:
            yield from ObjectSequence(self._index, [selection.source for selection in self._selections])
            return
        chosen = self._ais_source_list if sources is None else sources
        for selection in Sources(list(chosen), self._prefix_map).selections():
            yield from self._get_sample_iter_from_source(selection.source, selection.prefix)

    def _get_sample_iter_from_source(self, source: AISSource, prefix: str) -> Iterator[Object]:
        """The objects of one source whose names begin with `prefix`."""
        for page in list_pages(Selection(source, prefix), 0):
            yield from ObjectSequence(page, [source])

    def _get_worker_iter_info(self) -> tuple[Iterator[Object], str]:
        """This worker's part of this rank's objects, and its name for progress bars: ` (Worker 0)`, or nothing."""
        slot, process = self._slot(), Share.of_this_process()
        if self._obj_iterator is None:
            self._reset_iterator()
        name = "" if process.workers == 1 else f" (Worker {process.worker})"
        return self._part_of(self._obj_iterator or iter(()), slot), name

    def _part_of(self, objects: Iterator[Object], slot: Slot) -> Iterator[Object]:
        (rank, ranks), (worker, workers) = slot
        if workers > 1 and self._partition_sources_by_worker:
            own = iter(self._create_objects_iter(self._ais_source_list[worker::workers]))
            return islice(own, rank, None, ranks)
        return islice(objects, rank + ranks * worker, None, ranks * workers)

    # What the datasets of this package are made of.

    @property
    def _label(self) -> str:
        """The same text on all ranks, for one dataset."""
        return f"{type(self).__name__} of {', '.join(map(str, self._selections[:3]))}"

    @property
    def _chooses_objects(self) -> bool:
        """Whether only the hooks of a subclass know which objects there are."""
        return not all(map(self._is_ours, CHOOSING_HOOKS))

    def _is_ours(self, hook: str) -> bool:
        return getattr(type(self), hook) is _OWN_HOOKS[hook]

    @property
    def _order_unknown(self) -> str:
        """Why it cannot be said which sample comes when; "" where it can."""
        if self._chooses_objects:
            return f"{type(self).__name__} chooses its objects by hooks, which alone know their order"
        if self._partition_sources_by_worker:
            return "with partition_sources_by_worker=True the order depends on the number of workers"
        return ""

    def _chosen_objects(self, slot: Slot) -> Iterator[Object]:
        """This worker's objects of this rank, where a subclass chooses them."""
        self._reset_iterator()
        if self._is_ours("_get_worker_iter_info"):
            return self._part_of(self._obj_iterator or iter(()), slot)
        return islice(self._get_worker_iter_info()[0], slot.world.rank, None, slot.world.size)

    def _chosen_by_workers(self, workers: int) -> list[int]:
        """How many objects each of so many workers of this rank gets, where their order is not known."""
        total, (rank, ranks) = self._objects_in_all(), self._world
        if not self._partition_sources_by_worker or self._chooses_objects or workers == 1:
            return [len(range(rank + ranks * worker, total, ranks * workers)) for worker in range(workers)]
        of_selection = np.bincount(self._listed().sources, minlength=len(self._selections)).tolist()
        counts = [0] * workers
        for selection, count in zip(self._selections, of_selection, strict=True):
            counts[selection.position % workers] += count
        return counts

    def _listed(self) -> ObjectIndex:
        """All objects; lists them, unless that has been done."""
        if self._index is None:
            self._index = build_index(self._selections)
        return self._index

    def _worker_pages(self, share: Share, batch_size: int = 1) -> Iterator[ObjectIndex]:
        """A worker's objects, every `share.workers`-th batch of them, in pages as the listing brings them."""
        if share.workers > 1 and self._partition_sources_by_worker:
            return self._pages_of_sources(lambda selection: selection.position % share.workers == share.worker)
        return share.of_pages(self._pages(), batch_size)

    def _pages(self) -> Iterator[ObjectIndex]:
        """All objects, from the index where there is one; a listing that comes to its end is kept as index."""
        if self._index is not None:
            yield from _in_pages(self._index)
            return
        pages = []
        for page in self._list(lambda _: True):
            pages.append(page)
            yield page
        self._index = whole_index(pages, self._selections)

    def _pages_of_sources(self, wanted: Callable[[Selection], bool]) -> Iterator[ObjectIndex]:
        if self._index is None:
            return self._list(wanted)
        numbers = [number for number, selection in enumerate(self._selections) if wanted(selection)]
        return _in_pages(self._index.take(np.flatnonzero(np.isin(self._index.sources, numbers))))

    def _list(self, wanted: Callable[[Selection], bool]) -> Iterator[ObjectIndex]:
        for number, selection in enumerate(self._selections):
            if not wanted(selection):
                continue
            empty = True
            for page in list_pages(selection, number):
                empty = False
                yield page
            if empty:
                warn_of_empty(selection)

    def __getstate__(self) -> dict[str, Any]:
        # An iterator that is under way stays where it is.
        return {**self.__dict__, **self._split_for_pickle(), "_obj_iterator": None}


def _in_pages(index: ObjectIndex) -> Iterator[ObjectIndex]:
    # Requests are made for a page at a time, and need ten times the memory of the index.
    return (index[start : start + PAGE_SIZE] for start in range(0, len(index), PAGE_SIZE))


# As they are here: tests written for the SDK's plugin replace them in the class itself.
_OWN_HOOKS = {hook: getattr(AISBaseIterDataset, hook) for hook in CHOOSING_HOOKS}
