"""Batches of indices for a map-style dataset, in the order of the iterable ones and with their state."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import pairwise

from torch.utils.data import Sampler

from aistorch.loading.by_position import OrderedByPosition
from aistorch.loading.worker_slots import Share
from aistorch.order.partition import Even

BLOCK = 1 << 16


class AISBatchSampler(OrderedByPosition, Sampler[list[int]]):
    """A `batch_sampler` that shares a map-style dataset among ranks, and whose place can be saved and restored.

    Order and state are those of `AISIterDataset` with the same arguments: for the same objects, either's state can be
    loaded by the other. An `AISDataLoader` makes a sampler of this kind itself where none is given, and its state tells
    what the training loop has received. That of the sampler counts what it has handed out: a DataLoader with workers
    asks for batches ahead of time.

    Args:
        dataset (Sized): The map-style dataset, of this package or any other.
        batch_size (int): How many indices a batch has.
        shuffle (bool): Another order each epoch; no memory is needed for it.
        seed (int): What that order depends on besides the epoch, the same on all ranks.
        even (str): See `AISIterDataset`.
        drop_last (bool): Leave out a last batch that is shorter.
        rank (int): See `AISIterDataset`.
        world_size (int): See `AISIterDataset`.

    Raises:
        InvalidArgumentError: A value cannot be used.
        ArgumentTypeError: `seed` or `batch_size` is no whole number.
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
        self._dataset = dataset
        self._set_order(shuffle=shuffle, seed=seed, batch_size=batch_size, even=even, rank=rank, world_size=world_size)
        self._drop_last = drop_last

    @property
    def drop_last(self) -> bool:
        """Whether a last batch that is shorter is left out."""
        return self._drop_last

    def __len__(self) -> int:
        """How many batches this rank's next iteration has."""
        begun = self.place()
        deal = self._deal(begun)
        return max(0, deal.batches_of(self._world.rank) - begun.taken // deal.batch_size)

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

    def _count(self) -> int:
        return len(self._dataset)

    def _fingerprint(self) -> str | None:
        fingerprint = getattr(self._dataset, "fingerprint", None)
        return str(fingerprint()) if callable(fingerprint) else None
