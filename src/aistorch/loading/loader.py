"""`AISDataLoader`: torch's, whose place can be saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Sampler

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.loading.agreement import Watch, check_agreement
from aistorch.loading.batch_sampler import AISBatchSampler
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.count_tracker import CountTracker
from aistorch.loading.drivers import batches_of
from aistorch.loading.epoch_sampler import attach
from aistorch.loading.protocol import Ordered
from aistorch.loading.replay_tracker import ReplayTracker
from aistorch.loading.sampler_tracker import SamplerTracker
from aistorch.loading.tracker import Run, Tracker
from aistorch.loading.worker_state import WithState, WorkerStart
from aistorch.loading.worker_tracker import WorkerTracker

T_co = TypeVar("T_co", covariant=True)


class AISDataLoader(DataLoader[T_co]):
    """A `DataLoader` with the arguments of torch's, and with `state_dict` and `load_state_dict`.

    What the training loop has received counts, not what workers have read ahead. The state is JSON of less than 1 KB.
    Each iteration is the next epoch, unless `set_epoch` says which it is.

    - With an object dataset such as `AISIterDataset`, with `AISShardReader` over shards that have their indices beside
      them, with mixtures of these, and with a map-style dataset, it holds for any number of workers and of ranks: each
      sample of the epoch is read once, in the order of a run that was never interrupted. A map-style dataset gets an
      `AISBatchSampler` unless a sampler is given.
    - With a sampler or batch sampler of one's own that has `state_dict` and `load_state_dict`, its state is kept.
    - With a subclass that has an `__iter__` of its own the batches received are counted, and made again to go on.
    - With any other dataset that has `state_dict` and `load_state_dict` (other shards, datasets of other packages) it
      is made of those of the workers, and holds for as many; for another number of workers where the dataset has
      `redistribute_state(states, workers)`.

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
        ArgumentTypeError: A sampler is given in place of the dataset.
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
        if isinstance(dataset, (Sampler, BatchSampler)):
            raise ArgumentTypeError(
                f"AISDataLoader was given a {type(dataset).__name__} in place of a dataset: give the dataset first, "
                "and the sampler as sampler= or batch_sampler="
            )
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
        self._known_tracker: Tracker | None = None
        self._workers: WorkerStart | None = None
        self._with_states = False
        attach(self, has_state=self._may_have_state())

    def _may_have_state(self) -> bool:
        """Whether the place may be saved, told without listing anything."""
        if isinstance(self.dataset, Ordered):
            return self.dataset.may_have_state
        return isinstance(self.batch_sampler, OrderedByPosition) or hasattr(self.batch_sampler, "state_dict")

    @property
    def _tracker(self) -> Tracker | None:
        """Who knows the place; made when it is first needed, since a dataset may have to list its objects for it."""
        if self._known_tracker is None:
            self._known_tracker = self._tracker_of(self.dataset)
        return self._known_tracker

    def _tracker_of(self, dataset: Any) -> Tracker | None:
        if not isinstance(dataset, IterableDataset):
            return self._tracker_of_sampler()
        has_state = hasattr(dataset, "state_dict") and hasattr(dataset, "load_state_dict")
        if not isinstance(dataset, Ordered):
            return WorkerTracker(dataset, self._worker_start(True), self.num_workers) if has_state else None
        if dataset.iterates_itself and type(dataset).state_dict is Ordered.state_dict:
            return ReplayTracker(dataset, self._worker_start(False), self.num_workers)
        if isinstance(dataset, OrderedByPosition) and dataset.counts_samples:
            return CountTracker(dataset, dataset.batch_size or 1, self._worker_start(False))
        return WorkerTracker(dataset, self._worker_start(True), self.num_workers)

    def _tracker_of_sampler(self) -> Tracker | None:
        batches = self.batch_sampler if self.batch_sampler is not None else self.sampler
        for sampler in (batches, getattr(batches, "sampler", None)):
            if isinstance(sampler, OrderedByPosition):
                return CountTracker(sampler, sampler.batch_size or 1, None)
            if hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict"):
                return SamplerTracker(sampler, batches)
        return None

    def _worker_start(self, with_states: bool) -> WorkerStart | None:
        """Lets workers begin where they are to; None where the parent reads itself."""
        if not self.num_workers:
            return None
        self._workers, self._with_states = WorkerStart(), with_states
        return self._workers

    @contextmanager
    def _begun_by_workers(self) -> Iterator[None]:
        """Has workers that start begin where they are to; others who look at the loader find what its user gave."""
        collate, init = self.collate_fn, self.worker_init_fn
        if self._workers is not None:
            self._workers.init, self.worker_init_fn = init, self._workers
            self.collate_fn = WithState(collate) if self._with_states else collate
        try:
            yield
        finally:
            self.collate_fn, self.worker_init_fn = collate, init

    def set_epoch(self, epoch: int) -> None:
        """Sets which epoch the next iteration is, for dataset and sampler, persistent workers included.

        Without a call each iteration is the epoch after that of the one before it.

        Args:
            epoch: Its number. A place that was loaded is kept if it lies in this epoch.
        """
        for part in (self.dataset, self.sampler, self.batch_sampler):
            if set_epoch := getattr(part, "set_epoch", None):
                set_epoch(epoch)

    @property
    def epoch(self) -> int | None:
        """The epoch of the latest iteration, of the next one where none has begun; None where nothing counts epochs."""
        for part in (self.dataset, self.batch_sampler, self.sampler):
            if isinstance(number := getattr(part, "epoch", None), int):
                return number
        return None

    @property
    def remaining(self) -> int:
        """How many batches are left: of the iteration under way, else of the next, which may go on in mid-epoch.

        `len()` is that of a whole epoch.

        Raises:
            InvalidArgumentError: It is not known how many batches an epoch has, or how far this one is.
        """
        left = None if self._tracker is None else self._tracker.remaining()
        if left is None:
            raise InvalidArgumentError(
                f"a loader of {type(self.dataset).__name__} cannot tell how many batches are left"
            )
        return left

    def __len__(self) -> int:
        """How many batches this rank has in a whole epoch, wherever the next iteration begins."""
        dataset: Any = self.dataset
        if isinstance(dataset, Ordered) and isinstance(dataset, IterableDataset) and not dataset.iterates_itself:
            return dataset.batches_of_epoch(self.num_workers, self.batch_size, self.drop_last)
        return super().__len__()

    def state_dict(self) -> dict[str, Any]:
        """Where the training loop is, in the iteration that was begun last.

        With an object dataset it is the same on all ranks after as many batches: one of them may save it for all.

        Returns:
            JSON of less than 1 KB; the state of a finished epoch begins the next one.

        Raises:
            InvalidArgumentError: The dataset has no state, or batches do not come in order.
        """
        tracker = self._needed_tracker()
        if self.num_workers and not getattr(self, "in_order", True):
            raise InvalidArgumentError("with in_order=False a loader does not know which batches it has given")
        return tracker.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """The next iteration goes on where the state was saved; the one after it is the whole next epoch.

        Args:
            state: What `state_dict` gave.
            strict: See `AISIterDataset.load_state_dict`.

        Raises:
            StateMismatchError: The state does not fit dataset and loader; the text says what differs.
            InvalidArgumentError: The dataset has no state.
        """
        self._needed_tracker().load_state_dict(state, strict)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of this rank."""
        if isinstance(self.dataset, Ordered):
            self.dataset.prepare(self.num_workers)
        tracker = self._tracker
        if tracker is None:
            return batches_of(self, super().__iter__(), -1)
        watch = self._compare_ranks()
        if tracker.needs_new_workers():
            self._iterator = None
        run = tracker.begin()
        with self._begun_by_workers():
            batches = super().__iter__()
        tracker.started(batches)
        return batches_of(self, _Received(batches, run, watch), run.remainder)

    def _compare_ranks(self) -> Watch | None:
        """Raises where ranks that share the samples begin to read something different."""
        for part in (self.dataset, self.batch_sampler):
            if isinstance(part, Ordered) and part.may_have_state and (compared := part.compared()) is not None:
                what, facts = compared
                check_agreement(what, facts)
                return Watch(what, facts["epoch"]) if "epoch" in facts else None
        return None

    def _needed_tracker(self) -> Tracker:
        if self._tracker is None:
            lacking = "a dataset" if isinstance(self.dataset, IterableDataset) else "an AISBatchSampler, or a sampler"
            raise InvalidArgumentError(
                f"a loader of {type(self.dataset).__name__} has no state: it needs {lacking} with state_dict and "
                "load_state_dict"
            )
        return self._tracker


class _Received(Iterator[Any]):
    """A loader's batches, counted as they are handed out."""

    def __init__(self, batches: Iterator[Any], run: Run, watch: Watch | None) -> None:
        self._batches, self._run, self._watch = batches, run, watch

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            self._run.finished = True
            raise
        if self._watch is not None:
            self._watch.count()
        return self._run.receive(batch)

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]
