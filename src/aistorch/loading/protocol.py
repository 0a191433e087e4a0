"""Order, epoch and state: what all iterable datasets have in common."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index as as_index
from typing import Any, ClassVar, get_args

from torch.utils.data import get_worker_info

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, StateMismatchError
from aistorch.loading.epochs import SharedEpoch
from aistorch.loading.ranks import World
from aistorch.order.partition import Even

VERSION = 1
LISTING = ("count", "fingerprint")
"""What `strict=False` lets differ."""


class Ordered:
    """A mixin: the arguments that set an order, the epoch, and how a state is saved and loaded.

    A subclass calls `_set_order` in its constructor, `_begin` where an iteration starts, and replaces `_identity`,
    `_position` and `_go_to`.

    Attributes:
        kind: What a state of this class is called in it.
    """

    kind: ClassVar[str] = ""

    def _set_order(
        self,
        *,
        shuffle: bool = False,
        seed: int = 0,
        batch_size: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Takes over what all datasets are told of their order.

        Raises:
            InvalidArgumentError: A value cannot be used.
            ArgumentTypeError: `seed` or `batch_size` is no whole number.
        """
        self._shuffle, self._seed = bool(shuffle), _whole("seed", seed)
        self._batch_size = None if batch_size is None else _whole("batch_size", batch_size)
        if self._batch_size is not None and self._batch_size < 1:
            raise InvalidArgumentError(f"batch_size is {batch_size}; use 1 or more, or None")
        if even not in get_args(Even):
            raise InvalidArgumentError(f"even is {even!r}; use 'pad', 'drop' or 'off'")
        if rank is not None or world_size is not None:
            World.now(rank, world_size)  # refused here rather than in a worker
        self._even, self._given_world = even, (rank, world_size)
        self._drop_last = False
        self._shared_epoch = SharedEpoch()
        self._loaded: Mapping[str, Any] | None = None
        self._world_of_parent: World | None = None

    @property
    def shuffle(self) -> bool:
        """Whether the order is another one in each epoch."""
        return self._shuffle

    @property
    def seed(self) -> int:
        """What the order depends on besides the epoch."""
        return self._seed

    @property
    def batch_size(self) -> int | None:
        """How many samples are dealt together; None: each on its own."""
        return self._batch_size

    @property
    def even(self) -> Even:
        """How ranks get as many samples each: "pad", "drop" or "off"."""
        return self._even

    @property
    def epoch(self) -> int:
        """The number of the epoch."""
        return self._shared_epoch.number

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, and so the order of a shuffled dataset; persistent workers learn of it.

        An epoch does not end by itself: without a call the next iteration is over the same one again. A position that
        was loaded is kept if it lies in this epoch.

        Args:
            epoch: Its number, 0 or more.
        """
        number = _whole("epoch", epoch)
        if number < 0:
            raise InvalidArgumentError(f"epoch is {epoch}; use 0 or more")
        self._shared_epoch.number = number

    def use_batches(self, batch_size: int | None, drop_last: bool = False) -> None:
        """What `AISDataLoader` tells a dataset: which batches it makes of the samples.

        Raises:
            InvalidArgumentError: The dataset deals batches of another size.
        """
        if self._batch_size is not None and self._batch_size != batch_size:
            raise InvalidArgumentError(
                f"the loader's batch_size is {batch_size}, and this dataset deals batches of {self._batch_size}, as it "
                "was told when it was made or by another loader: use the same size, or a dataset for each loader"
            )
        self._batch_size, self._drop_last = batch_size, drop_last

    def state_dict(self) -> dict[str, Any]:
        """Where the latest iteration is: small, and fit for JSON.

        In a DataLoader's worker it is that worker's place. In the main process, samples count as soon as they have been
        handed out; with workers, use the state of an `AISDataLoader`.
        """
        return self._state(self._position())

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """The next iteration goes on where the state was saved; the one after it begins at the start again.

        Args:
            state: What `state_dict` gave.
            strict: Refuse a state that was saved with another listing. With False, a bucket that has grown goes on: at
                the same position of the new order. Not shuffled and with all new objects at the end of the listing,
                each object still comes once in this epoch; else some may come twice in it and others not at all. From
                the next epoch on all is exact again.

        Raises:
            StateMismatchError: The state is of another kind or version, or listing, seed, `shuffle` or batch size
                are not what they were; nothing has changed then.
        """
        self.check_state(state, strict)
        self._go_to(state)
        self._shared_epoch.number = state["epoch"]
        self._loaded = state

    def check_state(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Looks at whether a state can be loaded.

        Raises:
            StateMismatchError: It cannot; the text says what differs.
        """
        owner = type(self).__name__
        if not isinstance(state, Mapping) or state.get("kind") != self.kind or not isinstance(state.get("epoch"), int):
            kind = state.get("kind") if isinstance(state, Mapping) else type(state).__name__
            raise StateMismatchError(f"{owner} takes states of the kind {self.kind!r}, and this one is of {kind!r}")
        if state.get("version") != VERSION:
            raise StateMismatchError(
                f"the state is of version {state.get('version')!r}, and this release knows version {VERSION}: load it "
                "with the release that saved it, or begin the epoch anew"
            )
        differences = [
            f"{name} was {state.get(name)!r} and is {value!r}"
            for name, value in self._identity().items()
            if state.get(name) != value and (strict or name not in LISTING)
        ]
        if differences:
            listing = any(text.startswith(LISTING) for text in differences)
            advice = "; if the bucket has only grown, strict=False goes on with it" if listing else ""
            raise StateMismatchError(f"the state was saved by another {owner}: {', '.join(differences)}{advice}")

    @property
    def is_waiting(self) -> bool:
        """Whether a state that was loaded waits for the next iteration."""
        return self._waiting() is not None

    def prepare(self) -> None:
        """What a loader calls before it starts workers: does once what each of them would do otherwise."""

    def leave_to_workers(self) -> None:
        """What a loader calls once it has started workers: they go on from the state that was loaded, this does not."""
        self._loaded = None

    def leave_shared_epoch(self) -> None:
        """What a mixture calls in a worker: from now on the epoch is that of this process alone.

        Workers come to the end of a dataset at different times, and it goes on there with its next epoch.
        """
        self._shared_epoch = SharedEpoch()

    # What a subclass replaces or calls.

    def _state(self, position: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": VERSION, "kind": self.kind, **position, **self._identity()}

    def _identity(self) -> dict[str, Any]:
        """What has to be the same where a state is loaded; a subclass adds `LISTING`."""
        return {"seed": self._seed, "shuffle": self._shuffle, "batch_size": self._batch_size}

    def _position(self) -> dict[str, Any]:
        """The place of the latest iteration, with `epoch` in it."""
        raise NotImplementedError

    def _go_to(self, state: Mapping[str, Any]) -> None:
        """Looks at the position in a state.

        Raises:
            StateMismatchError: It cannot be gone on from.
        """

    def _waiting(self) -> Mapping[str, Any] | None:
        """The state that the next iteration goes on from, None where it begins at the start."""
        return self._loaded if self._loaded is not None and self._loaded["epoch"] == self.epoch else None

    def _begin(self) -> Mapping[str, Any] | None:
        """The same, for the iteration that begins with this call: it is used once."""
        state = self._waiting()
        self._loaded = None
        return state

    @property
    def _world(self) -> World:
        """This process among the ranks; asked for when iteration starts."""
        if self._given_world == (None, None) and self._world_of_parent and get_worker_info() is not None:
            return self._world_of_parent
        return World.now(*self._given_world)

    def _order_for_pickle(self) -> dict[str, Any]:
        """What `__getstate__` has to put in: a spawned worker cannot ask `torch.distributed` itself."""
        return {"_world_of_parent": World.of_torch()}


def _whole(name: str, number: Any) -> int:
    try:
        return as_index(number)
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number, not {type(number).__name__}") from None
