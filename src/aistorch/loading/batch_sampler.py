"""Batches of indices for a map-style dataset, in the order of the iterable ones and with their state."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import pairwise
from typing import Any

from torch.utils.data import Sampler, SequentialSampler

from aistorch.errors import ArgumentTypeError
from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.epoch_sampler import EpochSampler
from aistorch.loading.worker_slots import Share
from aistorch.order.cursor import Cursor
from aistorch.order.partition import Even

BLOCK = 1 << 16


class AISBatchSampler(OrderedByPosition, Sampler[list[int]]):
    """A `batch_sampler` that shares a map-style dataset among ranks, and whose place can be saved and restored.

    Order and state are those of `AISIterDataset` with the same arguments: for the same objects, either's state can be
    loaded by the other. An `AISDataLoader` makes a sampler of this kind itself where none is given, and its state tells
    what the training loop has received. That of the sampler counts what it has handed out: a DataLoader with workers
    asks for batches ahead of time.

    Each iteration is the next epoch, unless `set_epoch` says which it is.

    Args:
        dataset (Sized): The map-style dataset, of this package or any other; no sampler.
        batch_size (int): How many indices a batch has.
        shuffle (bool): Another order each epoch; no memory is needed for it.
        seed (int): What that order depends on besides the epoch, the same on all ranks.
        even (str): See `AISIterDataset`.
        drop_last (bool): Leave out a last batch that is shorter.
        rank (int): See `AISIterDataset`.
        world_size (int): See `AISIterDataset`.

    Raises:
        InvalidArgumentError: A value cannot be used.
        ArgumentTypeError: `seed` or `batch_size` is no whole number, or `dataset` a sampler.
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int,
        shuffle: bool = False,
        *,
        seed: int = 0,
        even: Even = "pad",
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        order: dict[str, Any] = {"shuffle": shuffle, "seed": seed, "even": even, "rank": rank, "world_size": world_size}
        if isinstance(dataset, Sampler):
            dataset, order = _what_it_samples(dataset, order)
        self._dataset = dataset
        self._set_order(batch_size=batch_size, **order)
        self._drop_last = drop_last

    @property
    def sampler(self) -> EpochSampler:
        """The same indices one by one, as other frameworks look for them in a batch sampler."""
        return EpochSampler(self, dataset=self._dataset)

    @property
    def num_samples(self) -> int:
        """How many indices this rank has in an epoch."""
        return self.samples_of_epoch()

    @property
    def drop_last(self) -> bool:
        """Whether a last batch that is shorter is left out."""
        return self._drop_last

    def __len__(self) -> int:
        """How many batches this rank has in an epoch."""
        world = self._world
        return self._deal(Cursor(ranks=world.size)).batches_of(world.rank)

    def __iter__(self) -> Iterator[list[int]]:
        """This rank's batches of indices."""
        # Begun by the first `next`: a DataLoader calls `iter` twice, and a state that was loaded is used once.
        place = self._start(Share())
        size = self._deal(place.begun).batch_size
        first = size - place.begun.taken % size
        for positions in self._positions(place, BLOCK):
            indices = positions.tolist()
            for start, stop in pairwise([0, *range(first, len(indices), size), len(indices)]):
                place.taken += stop - start
                yield indices[start:stop]
            first = size

    @property
    def _label(self) -> str:
        """See `Ordered.compared`."""
        return f"{type(self._dataset).__name__} of {getattr(self._dataset, '_label', len(self._dataset))}"

    def _count(self) -> int:
        return len(self._dataset)

    def _fingerprint(self) -> str | None:
        fingerprint = getattr(self._dataset, "fingerprint", None)
        return str(fingerprint()) if callable(fingerprint) else None


def _what_it_samples(sampler: Sampler[Any], order: dict[str, Any]) -> tuple[Sized, dict[str, Any]]:
    """The dataset of a sampler, and the order in which it goes through it.

    Lightning makes a batch sampler anew with a sampler as first argument: ours where it predicts, so that each sample
    comes once, and a sequential one where it overfits some batches.

    Raises:
        ArgumentTypeError: Its order is its own.
    """
    ordered = sampler.ordered if isinstance(sampler, EpochSampler) else None
    if isinstance(ordered, AISBatchSampler):
        rank, world_size = ordered._given_world
        same = {"shuffle": ordered.shuffle, "seed": ordered.seed, "rank": rank, "world_size": world_size}
        return ordered._dataset, same | {"even": "off"}
    if type(sampler) is SequentialSampler:
        return sampler.data_source, order | {"shuffle": False}
    raise ArgumentTypeError(
        f"the first argument of AISBatchSampler must be the dataset, not a {type(sampler).__name__}: it shuffles "
        "samples and shares them among ranks itself. Where a framework puts in a sampler of its own, use an "
        "AISDataLoader, or turn that off, as by Trainer(use_distributed_sampler=False)"
    )
