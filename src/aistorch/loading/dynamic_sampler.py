"""Batches of as many samples as fit a number of bytes, seconds, tokens or any other cost."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sized
from dataclasses import replace
from functools import cached_property
from numbers import Real
from operator import index as as_index
from typing import Any, ClassVar, get_args

import numpy as np
import xxhash
from torch.utils.data import Sampler

from aistorch.errors import AIStorchWarning, ArgumentTypeError, InvalidArgumentError
from aistorch.loading.batch_share import BatchPlace, BatchShare
from aistorch.loading.batch_state import place_in, state_of
from aistorch.loading.costs import ListsObjects, costs_of
from aistorch.loading.epoch_sampler import EpochSampler
from aistorch.loading.outer_split import split_by_others
from aistorch.loading.oversized import warn_of_oversized
from aistorch.loading.ranks import World
from aistorch.order.batches import BatchPlan
from aistorch.order.partition import Even

_MOST_BUCKETS = 1 << 16


class DynamicBatchSampler(Sampler[list[int]]):
    """Batches by cost: each as long as its samples fit `max_batch_size`, in the order of the dataset or shuffled.

    For `DataLoader(dataset, batch_sampler=...)`. A sample costs its bytes, as the listing tells them, or what `cost`
    says: seconds of speech, tokens of text. Nothing is read. An object is asked for its size only where the listing did
    not tell it.

    - **Ranks** share the batches: all of them plan the same ones, and each takes its own. Which rank this is, is asked
      for when iteration starts.
    - **Epochs**: each iteration has the next epoch's order; `set_epoch` says which one comes next. All epochs have as
      many batches.
    - **State**: `state_dict` and `load_state_dict`, JSON of less than 1 KB, which holds for any number of ranks.
    - **Other loops**: in an `AISDataLoader` there is nothing to be set. Of a plain `DataLoader`, Accelerate shares the
      batches itself; it is given those of all ranks then. Lightning has to be told that batches are shared already,
      `Trainer(use_distributed_sampler=False)`, in Fabric `setup_dataloaders(loader, use_distributed_sampler=False)`; it
      says so itself where that is forgotten.

    Where it differs from the plugin's sampler of this name:

    - `len()` is the number of batches of this rank in an epoch, as `len(DataLoader)` needs it; the plugin's is the
      number of samples.
    - Objects of 0 bytes are samples like others; the plugin leaves them out.
    - Objects that are too large are warned of when the sampler is made, not on every iteration.
    - With `drop_last` a last batch of exactly `saturation_factor` stays: "at least" is what is documented.
    - The shuffle depends on `seed` and the epoch alone, not on torch's random numbers.

    Args:
        data_source (AISBaseMapDataset): The dataset: any with a `get_obj_list()` or an array `sizes`; where `cost` is
            given, any that has a length.
        max_batch_size (float): What the costs of a batch may come to, in bytes where no `cost` is given; None where
            `max_padded_cost` is the only limit.
        drop_last (bool): Leave out the last batch that is filled where it has less than `saturation_factor` of
            `max_batch_size`, and of `max_padded_cost`.
        allow_oversized_samples (bool): Make a batch of each sample that costs more than a batch may; without it, they
            are left out, and a warning tells how many.
        saturation_factor (float): Between 0 and 1; see `drop_last`.
        shuffle (bool): Shuffle the samples before batches are made of them, anew in each epoch.
        seed (int): What the shuffle depends on, besides the epoch; the same on all ranks.
        cost (Sequence[float]): What each sample costs, in the order of the dataset: a list, an array, a column of a
            table, anything that numpy makes an array of numbers of. None: its bytes.
        max_padded_cost (float): What a batch may come to once its samples are padded to the longest: the cost of that
            one, times their number.
        buckets (int): Put samples into so many buckets by cost and make a batch of samples of one bucket, so that
            little has to be padded. With `shuffle` the batches of all buckets come mixed, and others in each epoch.
            10 to 100 are usual.
        even (str): What becomes of the last batches where they are fewer than ranks: "pad" repeats the first batches of
            the epoch, "drop" leaves them out, "off" gives some ranks a batch more.
        rank (int): Which rank this is, where neither `torch.distributed` nor the environment says so.
        world_size (int): How many ranks share the batches; with `rank=0`, 1 gives all of them to each.

    Raises:
        InvalidArgumentError: A value cannot be used, or `cost` has not as many numbers as the dataset samples.
        ArgumentTypeError: `data_source` tells no sizes, or something that has to be a number is none.
    """

    def __init__(
        self,
        data_source: ListsObjects | Sized,
        max_batch_size: float | None = None,
        drop_last: bool = False,
        allow_oversized_samples: bool = False,
        saturation_factor: float = 0.8,
        shuffle: bool = False,
        *,
        seed: int = 0,
        cost: Any = None,
        max_padded_cost: float | None = None,
        buckets: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(data_source, Sampler):
            raise ArgumentTypeError(
                f"data_source must be the dataset, not a sampler ({type(data_source).__name__}): DynamicBatchSampler "
                "shares its batches among ranks by itself"
            )
        if max_batch_size is None and max_padded_cost is None:
            raise ArgumentTypeError("give max_batch_size or max_padded_cost: what a batch may come to")
        limit, padded = _limit("max_batch_size", max_batch_size), _limit("max_padded_cost", max_padded_cost)
        _check_number("saturation_factor", saturation_factor)
        if not 0 <= saturation_factor <= 1:
            raise InvalidArgumentError(f"saturation_factor is {saturation_factor}; use a number between 0 and 1")
        if even not in get_args(Even):
            raise InvalidArgumentError(f"even is {even!r}; use 'pad', 'drop' or 'off'")
        if rank is not None or world_size is not None:
            World.now(rank, world_size)  # refused here rather than with the first batch
        self._plan = BatchPlan(
            costs_of(data_source, cost),
            limit,
            padded,
            float(saturation_factor) if drop_last else 0,
            bool(allow_oversized_samples),
            _whole("buckets", 1 if buckets is None else buckets, least=1, most=_MOST_BUCKETS),
            bool(shuffle),
            _whole("seed", seed),
        )
        self._dataset, self._even, self._given_world = data_source, even, (rank, world_size)
        self._place, self._share = BatchPlace(), None
        if not allow_oversized_samples:
            warn_of_oversized(data_source, self._plan, of_bytes=cost is None)

    shares_among_ranks: ClassVar[bool] = True
    """Whether each rank gets a part of the batches where no rank was given."""

    _place: BatchPlace
    """Where the next iteration begins."""
    _share: BatchShare | None
    """What the latest iteration hands out."""

    @property
    def epoch(self) -> int:
        """The epoch of the iteration that goes on, else of the next one."""
        share = self._share
        return share.begun.epoch if share and share.open else self._place.epoch

    @property
    def sampler(self) -> EpochSampler:
        """The same indices one by one, as other frameworks look for them in a batch sampler."""
        return EpochSampler(self, dataset=self._dataset)

    @property
    def shuffle(self) -> bool:
        """Whether batches are others in each epoch."""
        return self._plan.shuffle

    @property
    def seed(self) -> int:
        """What they depend on besides the epoch."""
        return self._plan.seed

    @property
    def num_samples(self) -> int:
        """How many indices this rank has in the next epoch."""
        share = self._share_of(BatchPlace(self._place.epoch))
        return int(self._plan.batches(share.begun.epoch).sizes[share.numbers].sum())

    @property
    def remaining(self) -> int:
        """How many batches of this rank are left in the iteration that goes on, else in the next one."""
        share = self._share
        return share.left if share and share.open else len(self._share_of(self._place))

    def set_epoch(self, epoch: int) -> None:
        """Sets which epoch the next iteration is, and so its order where it is shuffled; the one after it is the next.

        A place that was loaded is kept if it lies in this epoch; else it is given up, with a warning.

        Args:
            epoch: Its number, 0 or more.
        """
        epoch = _whole("epoch", epoch, least=0)
        if self._share and not (self._share.open and self._share.begun.epoch == epoch):
            self._share = None
        if epoch == self._place.epoch:
            return
        if self._place.start:
            warnings.warn(
                f"set_epoch({epoch}) gives up the state that was loaded, of epoch {self._place.epoch}: batches that "
                f"were read come again. To go on from it, let the training loop begin with epoch {self._place.epoch}",
                AIStorchWarning,
                stacklevel=2,
            )
        self._place = BatchPlace(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the latest iteration is: JSON of less than 1 KB, the same on all ranks that are equally far.

        Batches count as soon as they have been handed out, and a DataLoader with workers asks ahead of time; the state
        of an `AISDataLoader` tells what the training loop has received. At the end of an epoch, it is the beginning of
        the next one.
        """
        return state_of(self._place if self._share is None else self._share.now(), self._identity)

    def next_state(self) -> dict[str, Any]:
        """Where the next iteration begins, whatever became of the latest one."""
        return state_of(self._place, self._identity)

    def state_after(self, batches: int, begun: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The state once each rank has received so many batches of an iteration, whatever was handed out.

        Args:
            batches: How many.
            begun: What `next_state` was before the iteration began; None: the latest iteration.
        """
        share = self._share if begun is None else self._share_of(place_in(begun, self._identity, self._plan))
        return self.next_state() if share is None else state_of(share.after(batches), self._identity)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next iteration goes on where the state was saved, and the one after it is the whole next epoch.

        It holds for any number of ranks: each batch that remained comes once, whatever `even` does at the end.

        Raises:
            StateMismatchError: It is no state of such a sampler, or costs, limits, `seed`, `shuffle`, `buckets` or
                names are not what they were; nothing has changed then.
        """
        self._place = place_in(state, self._identity, self._plan)
        self._share = None

    def __len__(self) -> int:
        """How many batches this rank has in an epoch, in each the same: what a whole iteration gives."""
        share = self._share_of(BatchPlace())
        return len(share.numbers) if share.for_all else len(share)

    def __iter__(self) -> Iterator[list[int]]:
        """This rank's batches, as lists of indices."""
        # Begun by the first `next`: a DataLoader calls `iter` twice, and a state that was loaded is used once.
        share = self._share_of(self._place)
        batches = self._plan.batches(share.begun.epoch)
        self._place, self._share = BatchPlace(share.begun.epoch + 1), share
        try:
            for number in share.numbers.tolist():
                share.handed_out += 1
                yield batches[number].tolist()
        finally:
            share.open = False

    def __getstate__(self) -> dict[str, Any]:
        # The iterator stays here: a copy is where it is, and begins with the next iteration.
        share = self._share and replace(self._share, open=False)
        return self.__dict__ | {"_share": share}

    def _share_of(self, place: BatchPlace) -> BatchShare:
        if self._given_world == (None, None) and not self.shares_among_ranks:
            return BatchShare(place, self._plan.count, World(), self._even)
        everyone = split_by_others(self._even)
        return BatchShare(place, self._plan.count, everyone or self._world, self._even, for_all=everyone is not None)

    @property
    def _world(self) -> World:
        """This process among the ranks; asked for when iteration starts."""
        return World.now(*self._given_world)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What has to be the same where a state is loaded."""
        plan, fingerprint = self._plan, getattr(self._dataset, "fingerprint", None)
        names = str(fingerprint()) if callable(fingerprint) else ""
        return {
            "samples": len(plan.costs),
            "costs": xxhash.xxh3_128_hexdigest(np.ascontiguousarray(plan.costs).data),
            "dataset": xxhash.xxh3_128_hexdigest(names.encode()),
            "max_batch_size": None if plan.limit == math.inf else plan.limit,
            "max_padded_cost": None if plan.padded == math.inf else plan.padded,
            "saturation": plan.saturation,
            "allow_oversized_samples": plan.keep_oversized,
            "buckets": plan.buckets,
            "shuffle": plan.shuffle,
            "seed": plan.seed,
        }


def _limit(name: str, value: float | None) -> float:
    """What was given, a whole number or a floating-point one; without one, infinity."""
    if value is None:
        return math.inf
    _check_number(name, value)
    if not 0 < value < math.inf or value > 1e308:
        raise InvalidArgumentError(f"{name} is {value}; use a positive number")
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a number, not {type(value).__name__}")


def _whole(name: str, value: Any, *, least: float = -math.inf, most: float = math.inf) -> int:
    try:
        number = as_index(value)
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number, not {type(value).__name__}") from None
    if not least <= number <= most:
        limits = f"{least} or more" if number < least else f"{most} or less"
        raise InvalidArgumentError(f"{name} is {number}; use {limits}")
    return number
