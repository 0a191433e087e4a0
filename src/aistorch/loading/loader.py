"""`AISDataLoader`: torch's, whose place can be saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from aistorch.errors import InvalidArgumentError
from aistorch.loading.batch_sampler import AISBatchSampler
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.count_tracker import CountedBatches, PlaceByCount
from aistorch.loading.epoch_sampler import attach
from aistorch.loading.protocol import Ordered
from aistorch.loading.worker_state import WithState, WorkerStart
from aistorch.loading.worker_tracker import Parcels, PlaceByWorker

T_co = TypeVar("T_co", covariant=True)


class AISDataLoader(DataLoader[T_co]):
    """A `DataLoader` with the arguments of torch's, and with `state_dict` and `load_state_dict`.

    What the training loop has received counts, not what workers have read ahead. The state is JSON of less than 1 KB.

    - With an object dataset such as `AISIterDataset`, and with a map-style dataset, it holds for any number of workers
      and of ranks: each sample of the epoch is read once, in the order of a run that was never interrupted. A map-style
      dataset gets an `AISBatchSampler` unless a sampler is given; only with such a one it has a state.
    - With any other dataset that has `state_dict` and `load_state_dict` (shards, mixtures, subclasses that have an
      `__iter__` of their own, datasets of other packages) it is made of those of the workers, and holds for as many;
      for another number of workers where the dataset has `redistribute_state(states, workers)`.

    An iterable dataset is told the batch size, so that it deals batches to ranks and workers; its objects are listed
    once, before workers are started.

    Args:
        dataset (Dataset): Any dataset.
        batch_size (int): Samples a batch; None: the samples themselves.
        shuffle (bool): For a map-style dataset; an iterable one has an argument of its own. The order depends on the
            epoch (`set_epoch`); give `batch_sampler=AISBatchSampler(...)` for another `seed`.
        sampler (Sampler): See `DataLoader`.
        batch_sampler (Sampler): See `DataLoader`.
        num_workers (int): Processes that read.
        collate_fn (Callable): Makes a batch of samples, in the workers.
        pin_memory (bool): See `DataLoader`.
        drop_last (bool): Leave out a rank's last batch where it is shorter.
        options: All that `DataLoader` takes besides.

    Raises:
        InvalidArgumentError: The dataset deals batches of another size, or `shuffle` is given for an iterable one.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *args: Any,
        **options: Any,
    ) -> None:
        iterable = isinstance(dataset, IterableDataset)
        if iterable and shuffle:
            raise InvalidArgumentError(
                f"give shuffle=True to {type(dataset).__name__}: an iterable dataset shuffles by itself"
            )
        if isinstance(dataset, Ordered):
            dataset.use_batches(batch_size, drop_last)
        if not iterable and batch_size is not None and sampler is None and batch_sampler is None:
            batch_sampler = AISBatchSampler(dataset, batch_size, bool(shuffle), drop_last=drop_last)  # type: ignore[arg-type]
            batch_size, shuffle, drop_last = 1, None, False
        super().__init__(
            dataset, batch_size, shuffle, sampler, batch_sampler, num_workers, collate_fn, pin_memory, drop_last,
            *args, **options,
        )  # fmt: skip
        self._place = self._place_of(dataset)
        attach(self, has_state=self._place is not None)

    def _place_of(self, dataset: Any) -> PlaceByCount | PlaceByWorker | None:
        ordered = dataset if isinstance(dataset, IterableDataset) else self.batch_sampler
        if isinstance(ordered, OrderedByPosition) and ordered.counts_samples:
            return PlaceByCount(ordered, ordered.batch_size or 1, self.num_workers)
        if not isinstance(dataset, IterableDataset) or not hasattr(dataset, "load_state_dict"):
            return None
        start = None
        if self.num_workers:
            self.collate_fn = WithState(self.collate_fn)
            self.worker_init_fn = start = WorkerStart(self.worker_init_fn)
        return PlaceByWorker(dataset, start, self.num_workers)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the dataset and of the sampler, persistent workers included.

        Args:
            epoch: Its number. A place that was loaded is kept if it lies in this epoch.
        """
        for part in (self.dataset, self.sampler, self.batch_sampler):
            if set_epoch := getattr(part, "set_epoch", None):
                set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the training loop is, in the iteration that was begun last.

        With an object dataset it is the same on all ranks after as many batches: one of them may save it for all.

        Returns:
            JSON of less than 1 KB; the state of a finished epoch has nothing left but the epochs after it.

        Raises:
            InvalidArgumentError: The dataset has no state, or batches do not come in order.
        """
        place = self._known_place()
        if isinstance(place, PlaceByCount) and self.num_workers and not getattr(self, "in_order", True):
            raise InvalidArgumentError("with in_order=False a loader does not know which batches it has given")
        return place.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """The next iteration goes on where the state was saved, and the one after it begins at the start again.

        Args:
            state: What `state_dict` gave.
            strict: See `AISIterDataset.load_state_dict`.

        Raises:
            StateMismatchError: The state does not fit dataset and loader; the text says what differs.
            InvalidArgumentError: The dataset has no state.
        """
        self._known_place().load_state_dict(state, strict)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of this rank."""
        if isinstance(self.dataset, Ordered):
            self.dataset.prepare()
        place = self._place
        if place is None:
            return super().__iter__()
        if place.needs_new_workers():
            self._iterator = None
        run = place.begin()
        batches = super().__iter__()
        place.started()
        return _Received(batches, run)

    def _known_place(self) -> PlaceByCount | PlaceByWorker:
        if self._place is None:
            lacking = "a dataset with state_dict" if isinstance(self.dataset, IterableDataset) else "AISBatchSampler"
            raise InvalidArgumentError(f"a loader of {type(self.dataset).__name__} has no state: it needs {lacking}")
        return self._place


class _Received(Iterator[Any]):
    """A loader's batches, counted as they are handed out."""

    def __init__(self, batches: Iterator[Any], run: CountedBatches | Parcels) -> None:
        self._batches, self._run = batches, run

    def __next__(self) -> Any:
        return self._run.receive(next(self._batches))

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]
