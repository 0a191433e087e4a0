"""Who shares the samples of an iterable dataset: ranks, workers, both or nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from torch.utils.data import ChainDataset, get_worker_info

from aistorch.errors import InvalidArgumentError
from aistorch.loading.drivers import outer_rank_split
from aistorch.loading.ranks import World
from aistorch.loading.worker_slots import Share

Split = Literal["ranks+workers", "ranks", "workers", "none"]


class Slot(NamedTuple):
    """Who reads: a worker of a rank, among those that share the samples."""

    world: World = World()
    share: Share = Share()


class SplitMixin:
    """A mixin for iterable datasets: finds out who shares the samples, when an iteration begins.

    Attributes:
        default_split: What `split=None` means for a class; None: both, unless somebody else is seen to share.
    """

    default_split: ClassVar[Split | None] = None
    _split: Split | None = None
    _given_world: tuple[int | None, int | None] = (None, None)
    _world_of_parent: World | None = None
    _outer_split_of_parent: str = ""
    _read_by: object = None

    def _init_split(self, split: Split | None, rank: int | None, world_size: int | None) -> None:
        """Takes over the arguments.

        Raises:
            InvalidArgumentError: One of them cannot be used.
        """
        if split is not None and split not in get_args(Split):
            raise InvalidArgumentError(f"split is {split!r}; use one of {', '.join(map(repr, get_args(Split)))}")
        if rank is not None or world_size is not None:
            World.now(rank, world_size)  # refused here rather than in a worker
            if split in ("workers", "none"):
                raise InvalidArgumentError(
                    f"split={split!r} shares nothing among ranks, and rank and world_size are given: leave out one"
                )
        self._split, self._given_world = split, (rank, world_size)

    def be_read_by(self, dataset: object, split: Split | None) -> None:
        """What a dataset that passes samples on, and shares none itself, tells those that it reads.

        Args:
            dataset: The dataset of the worker, which is that dataset or holds it; None outside a worker.
            split: Who shares, where this dataset was told nothing of its own.
        """
        self._read_by, self._split = dataset, self._split or split

    @property
    def split(self) -> Split:
        """Who shares the samples: "ranks+workers", "ranks", "workers" or "none"."""
        default = None if self._given_world != (None, None) else self.default_split
        return self._split or default or "ranks+workers"

    @property
    def _world(self) -> World:
        """This process among the ranks that share the samples; asked for when iteration starts."""
        if self.split in ("workers", "none"):
            return World()
        if self._given_world != (None, None):
            return World.now(*self._given_world)
        if self._outer():
            return World()
        if self._world_of_parent and get_worker_info() is not None:
            return self._world_of_parent
        return World.now()

    @property
    def _share(self) -> Share:
        """This process among the workers that share the samples."""
        return Share() if self.split in ("ranks", "none") else Share.of_this_process()

    def _slot(self) -> Slot:
        """Who reads in the iteration that begins.

        Raises:
            InvalidArgumentError: Somebody else shares the samples as well, or may do so: some would be left out.
        """
        outer, (_, ranks) = self._outer(), self._given_world
        if outer and ("ranks" in (self._split or self.default_split or "") or (ranks or 1) > 1):
            raise InvalidArgumentError(
                f"{outer} shares samples among the ranks, and {self._owner} was told to do so, too: most of them would "
                "be left out. Leave out split, rank and world_size, or use split='workers'"
            )
        self._check_reader()
        return Slot(self._world, self._share)

    def _check_reader(self) -> None:
        """Raises where a worker reads another dataset, which reads this one: nobody can tell whether that shares."""
        info = get_worker_info()
        explicit = self._split or self.default_split
        if info is None or info.num_workers == 1 or explicit or self._is_read_by(info.dataset):
            return
        reader = type(info.dataset).__name__
        raise InvalidArgumentError(
            f"{reader} reads {self._owner} in {info.num_workers} DataLoader workers, and both may share the samples "
            f"among them, so that some would be left out. If {reader} deals files, folders or samples to its workers "
            f"itself, give {self._owner} split='ranks'; if it only passes samples on, split='ranks+workers'"
        )

    def _is_read_by(self, dataset: object) -> bool:
        """Whether the dataset of a loader is this one, or one that is known to share nothing itself."""
        me: object = self
        if dataset is me or (self._read_by is not None and dataset is self._read_by) or outer_rank_split():
            return True
        return isinstance(dataset, ChainDataset) and any(part is me for part in dataset.datasets)

    def _outer(self) -> str:
        """Who shares the samples among ranks in place of this dataset; "" where nobody does."""
        return outer_rank_split() or (self._outer_split_of_parent if get_worker_info() is not None else "")

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _split_for_pickle(self) -> Mapping[str, Any]:
        """What `__getstate__` has to put in: a spawned worker can ask neither `torch.distributed` nor its caller."""
        return {
            "_world_of_parent": World.of_torch() or self._world_of_parent,
            "_outer_split_of_parent": outer_rank_split(),
            "_read_by": None,
        }
