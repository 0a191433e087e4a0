"""Batches of as many samples as fit a number of bytes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Protocol

import numpy as np
from aistore.sdk.obj.object import Object
from numpy.typing import NDArray
from torch.utils.data import Sampler

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, OversizedSampleWarning
from aistorch.order.packing import Packing, pack
from aistorch.order.permutation import epoch_permutation

_NAMED = 3


class ListsObjects(Protocol):
    """What can be sampled from: any dataset that tells its objects, those of the SDK's plugin among them."""

    def get_obj_list(self) -> Sequence[Object]:
        """All objects; sample i is made of object i."""


class DynamicBatchSampler(Sampler[list[int]]):
    """Batches by bytes: each as long as its objects fit `max_batch_size`, in the order of the dataset or shuffled.

    For `DataLoader(dataset, batch_sampler=...)`. Sizes are those of the listing; nothing is read. An object is
    asked for its size only where the listing did not tell it.

    Where it differs from the plugin's sampler of this name:

    - `len()` is the number of batches of the iteration that comes next, as `len(DataLoader)` needs it; the
      plugin's is the number of samples.
    - Objects of 0 bytes are samples like others; the plugin leaves them out.
    - Objects that are too large are warned of when the sampler is made, not on every iteration.
    - With `drop_last` a last batch of exactly `saturation_factor` stays: "at least" is what is documented.
    - The shuffle depends on `seed` and the epoch alone, not on torch's random numbers. Each iteration has an order of
      its own, as the plugin's: one that comes to its end is followed by the next epoch, unless `set_epoch` says
      another.

    Args:
        data_source (AISBaseMapDataset): The dataset, or any with a `get_obj_list()`.
        max_batch_size (float): Bytes that a batch may have.
        drop_last (bool): Leave out the last batch where it has less than `saturation_factor` of `max_batch_size`.
        allow_oversized_samples (bool): Make a batch of each object larger than `max_batch_size`; without it, they are
            left out, and a warning tells how many.
        saturation_factor (float): Between 0 and 1; see `drop_last`.
        shuffle (bool): Shuffle the samples before batches are made of them, anew in each epoch.
        seed (int): What the shuffle depends on, besides the epoch.

    Raises:
        InvalidArgumentError: `max_batch_size` is not positive, or `saturation_factor` not between 0 and 1.
        ArgumentTypeError: `data_source` tells no objects, or a number is none.
    """

    def __init__(
        self,
        data_source: ListsObjects,
        max_batch_size: float,
        drop_last: bool = False,
        allow_oversized_samples: bool = False,
        saturation_factor: float = 0.8,
        shuffle: bool = False,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check_number("max_batch_size", max_batch_size)
        _check_number("saturation_factor", saturation_factor)
        if not 0 < max_batch_size < math.inf:
            raise InvalidArgumentError(f"max_batch_size is {max_batch_size}; use a positive number of bytes")
        if not 0 <= saturation_factor <= 1:
            raise InvalidArgumentError(f"saturation_factor is {saturation_factor}; use a number between 0 and 1")
        self._sizes = _sizes_of(data_source)
        # What is beyond all sizes together is no limit, and need not fit 64 bits.
        self._limit = int(min(max_batch_size, max(1, int(self._sizes.sum()))))
        self._least = saturation_factor * max_batch_size if drop_last else 0
        self._keep_oversized = allow_oversized_samples
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._packed: tuple[int, Packing] | None = None
        if not allow_oversized_samples:
            _warn_of_oversized(data_source, np.flatnonzero(self._sizes > self._limit), max_batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Sets which epoch the next iteration is, and so its order where it is shuffled."""
        self._epoch = epoch

    def __len__(self) -> int:
        """How many batches the next iteration has; with `shuffle`, epochs may differ by a few."""
        return len(self._packing())

    def __iter__(self) -> Iterator[list[int]]:
        """The batches, as lists of indices."""
        epoch = self._epoch
        for batch in self._packing():
            yield batch.tolist()
        if self._epoch == epoch:
            self._epoch += 1

    def _packing(self) -> Packing:
        epoch = self._epoch if self._shuffle else 0
        if self._packed is None or self._packed[0] != epoch:
            self._packed = epoch, self._pack(epoch)
        return self._packed[1]

    def _pack(self, epoch: int) -> Packing:
        if not self._shuffle:
            return pack(self._sizes, self._limit, least=self._least, keep_oversized=self._keep_oversized)
        order = epoch_permutation(len(self._sizes), self._seed, epoch)(np.arange(len(self._sizes)))
        packed = pack(self._sizes[order], self._limit, least=self._least, keep_oversized=self._keep_oversized)
        return Packing(order[packed.positions], packed.ends)


def _sizes_of(dataset: ListsObjects) -> NDArray[np.int64]:
    """The size of each object, in bytes."""
    if not callable(getattr(dataset, "get_obj_list", None)):
        raise ArgumentTypeError(f"data_source must be a dataset with get_obj_list(), not {type(dataset).__name__}")
    if (sizes := _own_sizes(dataset)) is not None:
        return sizes
    objects = dataset.get_obj_list()
    sizes = getattr(objects, "sizes", None)
    if isinstance(sizes, np.ndarray) and (sizes >= 0).all():
        return sizes
    return np.array([_size_of(obj) for obj in objects], dtype=np.int64)


def _own_sizes(dataset: ListsObjects) -> NDArray[np.int64] | None:
    """Bytes of each sample, where these are not objects: a dataset tells them by an array `sizes`."""
    sizes = getattr(dataset, "sizes", None)
    return sizes if isinstance(sizes, np.ndarray) else None


def _size_of(obj: Object) -> int:
    # Without a size in what was listed: one request, which the SDK makes.
    return int((obj.props_cached or obj.props).size)


def _warn_of_oversized(dataset: ListsObjects, oversized: NDArray[np.int64], limit: float) -> None:
    if not len(oversized):
        return
    first = oversized[:_NAMED].tolist()
    if (sizes := _own_sizes(dataset)) is not None:
        count, kind, names = len(sizes), "samples", ", ".join(f"number {position}" for position in first)
    else:
        objects = dataset.get_obj_list()
        count, kind, names = len(objects), "objects", ", ".join(objects[position].name for position in first)
    more = ", ..." if len(oversized) > _NAMED else ""
    warnings.warn(
        f"{len(oversized)} of {count} {kind} are larger than max_batch_size ({limit:,} bytes) and left out: "
        f"{names}{more}. allow_oversized_samples=True makes a batch of each of them",
        OversizedSampleWarning,
        stacklevel=3,
    )


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, Real):
        raise ArgumentTypeError(f"{name} must be a number, not {type(value).__name__}")
