"""`loader.sampler` as other frameworks want to find it: one that shares samples among ranks and takes an epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, IterableDataset

from aistorch.loading.drivers import counts_iterations, inner_batch_sampler, leave_as_it_is
from aistorch.loading.protocol import Ordered


class EpochSampler(DistributedSampler[Any]):
    """The sampler of a loader whose dataset or batch sampler shares the samples among ranks.

    Frameworks that find a `DistributedSampler` put in none of their own, and tell it each epoch, which it passes on. It
    holds no loader and no state, so it can be copied and pickled with what it belongs to.

    Args:
        ordered: The iterable dataset or batch sampler that shares the samples.
        base: What torch draws from for an iterable dataset; None: the indices of the batch sampler, one by one.
        dataset: The map-style dataset, told the epoch too where it takes one.
    """

    def __init__(self, ordered: Any, base: Iterable[Any] | None = None, dataset: Any = None) -> None:
        # Not DistributedSampler's own, which needs a process group and the number of samples now.
        self.ordered, self._base = ordered, base
        self.dataset = ordered if dataset is None else dataset

    def __iter__(self) -> Iterator[Any]:
        return iter(self._base) if self._base is not None else chain.from_iterable(self.ordered)

    def __len__(self) -> int:
        return len(self._base) if self._base is not None else self.ordered.num_samples  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return True  # without a length, too

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of dataset and batch sampler.

        Fabric counts the iterations of the process, from 0 after a resume, too: epochs here advance by themselves.
        """
        if counts_iterations():
            return
        self.ordered.set_epoch(epoch)
        if self.dataset is not self.ordered and hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def __getattr__(self, name: str) -> Any:
        # What a DistributedSampler has besides: as it is at this moment.
        if name in ("epoch", "shuffle", "seed", "drop_last"):
            return getattr(self.ordered, name)
        if name in ("rank", "num_replicas"):
            return self.ordered._world[name == "num_replicas"]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def attach(loader: DataLoader[Any], *, has_state: bool) -> None:
    """Shows a loader to other frameworks as one that shares its samples among ranks, where it does.

    It does where the dataset is an iterable one of this package, or the batch sampler is; a loader of other parts stays
    as its user made it.

    Args:
        loader: The loader, complete.
        has_state: Whether `state_dict` tells its place.
    """
    sampler = _sampler_of(loader)
    if sampler is None:
        return
    # A DataLoader refuses these once it is made, since a sampler that changes is not noticed: this one changes nothing.
    object.__setattr__(loader, "sampler", sampler)
    if isinstance(loader.dataset, IterableDataset) and isinstance(loader.batch_sampler, BatchSampler):
        loader.batch_sampler.sampler = sampler
    leave_as_it_is(loader, has_state=has_state)


def _sampler_of(loader: DataLoader[Any]) -> EpochSampler | None:
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset):
        return EpochSampler(dataset, loader.sampler) if isinstance(dataset, Ordered) and _shares(dataset) else None
    batches = inner_batch_sampler(loader.batch_sampler)
    sampler = getattr(batches, "sampler", None)
    return sampler if isinstance(sampler, EpochSampler) and _shares(batches) else None


def _shares(ordered: Any) -> bool:
    """Whether it shares samples among ranks where there are some, and is not told to leave that to others."""
    told = getattr(ordered, "split", None) in ("workers", "none") or not getattr(ordered, "shares_among_ranks", True)
    return not told and getattr(ordered, "_given_world", (None, None))[1] != 1
