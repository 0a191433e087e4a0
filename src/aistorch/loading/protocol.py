"""Order, epoch and state: the contract of everything that can be saved and gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index as as_index
from typing import Any, ClassVar, get_args

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, StateMismatchError
from aistorch.loading.epochs import LIMIT, EpochCounter, checked_epoch
from aistorch.loading.split import Split, SplitMixin
from aistorch.order.partition import Even

VERSION = 1
LISTING = ("count", "fingerprint")
"""What `strict=False` lets differ."""

_NO_STATE = """{owner} has an __iter__ of its own, which alone knows what it has read and not yet handed out. Use the
state of an AISDataLoader, which reads again up to its place, or add to {owner}:

    def state_dict(self):
        # super().state_dict() is the place up to which it has read; add what it holds back
        return {{**super().state_dict(), "held": self.held}}

    def load_state_dict(self, state, strict=True):
        super().load_state_dict(state, strict)
        self.held = state["held"]  # __iter__ hands it out first"""


class Ordered(SplitMixin):
    """A mixin: the arguments that set an order, the epoch, and how a state is saved and loaded.

    A subclass calls `_set_order` in its constructor, `_begin` where an iteration starts, and replaces `_identity`,
    `_position`, `_is_finished` and `_go_to`.

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
        split: Split | None = None,
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
        self._init_split(split, rank, world_size)
        self._even = even
        self._drop_last = self._told_batches = False
        self._epochs = EpochCounter()
        self._loaded: Mapping[str, Any] | None = None

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
        """The epoch of the latest iteration; that of the next one, where none began since it was set."""
        return self._epochs.current

    @property
    def next_epoch(self) -> int:
        """The epoch of the next iteration."""
        return self._epochs.next

    def set_epoch(self, epoch: int) -> None:
        """Sets which epoch the next iteration is, and so the order of a shuffled dataset.

        Without a call each iteration is the epoch after that of the one before it. Persistent workers learn of it, and
        a position that was loaded is kept if it lies in this epoch.

        Args:
            epoch: Its number, 0 or more.

        Raises:
            InvalidArgumentError: It is negative, or too large.
            ArgumentTypeError: It is no whole number.
        """
        self._epochs.pin(checked_epoch(epoch))

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
        self._batch_size, self._drop_last, self._told_batches = batch_size, drop_last, True

    def state_dict(self) -> dict[str, Any]:
        """Where the latest iteration is: small, and fit for JSON.

        In a DataLoader's worker it is that worker's place. In the main process, samples count as soon as they have been
        handed out; with workers, use the state of an `AISDataLoader`.

        Raises:
            InvalidArgumentError: There is none: the order is not known, or a subclass has an `__iter__` of its own.
        """
        if self.iterates_itself and type(self).state_dict is Ordered.state_dict:
            raise InvalidArgumentError(_NO_STATE.format(owner=type(self).__name__))
        return self._state(self._position())

    def position(self) -> dict[str, Any]:
        """Where the latest iteration is, without what is the same everywhere in it."""
        return self._position()

    def state_at(self, position: Mapping[str, Any]) -> dict[str, Any]:
        """The state of a position."""
        return self._state(position)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """The next iteration goes on where the state was saved; the one after it is the whole next epoch.

        A state that was saved at the end of an epoch begins the next one.

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
        self._epochs.pin(state["epoch"] + self._is_finished(state))
        self._loaded = state

    def check_state(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Looks at whether a state can be loaded.

        Raises:
            StateMismatchError: It cannot; the text says what differs.
        """
        owner = type(self).__name__
        if not isinstance(state, Mapping) or state.get("kind") != self.kind:
            kind = state.get("kind") if isinstance(state, Mapping) else type(state).__name__
            raise StateMismatchError(f"{owner} takes states of the kind {self.kind!r}, and this one is of {kind!r}")
        whole_number(state, "epoch")
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
    def iterates_itself(self) -> bool:
        """Whether a subclass has an `__iter__` of its own, which alone knows how far it is."""
        made_by = next((cls.__module__ for cls in type(self).__mro__ if "__iter__" in vars(cls)), "aistorch")
        return made_by.partition(".")[0] != "aistorch"

    @property
    def may_have_state(self) -> bool:
        """Whether there can be a state, told without listing anything."""
        return True

    def identity(self) -> dict[str, Any]:
        """What has to be the same where a state is loaded.

        Raises:
            InvalidArgumentError: There can be no state.
        """
        return self._identity()

    def compared(self) -> tuple[str, dict[str, Any]] | None:
        """What ranks that share the samples have to agree on, and what it is called; None where they share nothing."""
        if "ranks" not in self.split or self._given_world != (None, None) or self._world.size == 1:
            return None
        return self._label, self._identity() | ({"epoch": self.next_epoch} if self.shuffle else {})

    @property
    def _label(self) -> str:
        """The same text on all ranks, for one dataset."""
        return type(self).__name__

    def whose(self) -> dict[str, int]:
        """Of which rank the samples are."""
        rank, size = self._world
        return {"rank": rank, "world_size": size}

    @property
    def is_waiting(self) -> bool:
        """Whether a state that was loaded waits for the next iteration."""
        return self._waiting() is not None

    def prepare(self, workers: int = 0) -> None:
        """What a loader calls before it starts so many workers: does once what each of them would do otherwise."""

    def begin_for_workers(self) -> int:
        """What a loader calls before it starts workers, or wakes them: counts the iteration that they do.

        Returns:
            int: Its epoch.
        """
        return self._epochs.begin_for_workers()

    def pin_for_worker(self, epoch: int) -> None:
        """What a worker is told before it begins: which epoch its loader has begun, whatever was set since."""
        self._epochs.pin(epoch)

    def batches_of_epoch(self, workers: int, batch_size: int | None, drop_last: bool = False) -> int:
        """How many batches a loader gets for this rank in a whole epoch.

        Args:
            workers: How many processes it starts.
            batch_size: Samples a batch; None: samples are counted.
            drop_last: Whether each worker leaves out a last batch that is shorter.
        """
        samples = self.samples_of_workers(max(1, workers))
        if batch_size is None:
            return sum(samples)
        return sum(each // batch_size if drop_last else -(-each // batch_size) for each in samples)

    def samples_of_workers(self, workers: int) -> list[int]:
        """How many samples each of so many workers of this rank has in a whole epoch."""
        raise NotImplementedError

    def leave_to_workers(self) -> None:
        """What a loader calls once it has started workers: they go on from the state that was loaded, this does not."""
        self._loaded = None

    # What a subclass replaces or calls.

    def _state(self, position: Mapping[str, Any]) -> dict[str, Any]:
        return {"version": VERSION, "kind": self.kind, **position, **self._identity()}

    def _identity(self) -> dict[str, Any]:
        """What has to be the same where a state is loaded; a subclass adds `LISTING`."""
        return {"seed": self._seed, "shuffle": self._shuffle, "batch_size": self._batch_size}

    def _position(self) -> dict[str, Any]:
        """The place of the latest iteration, with `epoch` in it."""
        raise NotImplementedError

    def _is_finished(self, state: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether a state is that of the end of its epoch."""
        return False

    def _go_to(self, state: Mapping[str, Any]) -> None:
        """Looks at the position in a state.

        Raises:
            StateMismatchError: It cannot be gone on from.
        """

    def _waiting(self) -> Mapping[str, Any] | None:
        """The state that the next iteration goes on from, None where it begins at the start."""
        return self._loaded if self._loaded is not None and self._loaded["epoch"] == self._epochs.next else None

    def _begin(self) -> Mapping[str, Any] | None:
        """Counts the iteration that begins with this call; returns what it goes on from, which is used once."""
        state = self._waiting()
        self._loaded = None
        self._epochs.begin()
        return state

    def _for_pickle(self) -> Mapping[str, Any]:
        """What `__getstate__` has to put in."""
        return self._split_for_pickle()


def whole_number(state: Mapping[str, Any], name: str, least: int = 0) -> int:
    """A number of a state.

    Raises:
        StateMismatchError: It is missing, or cannot be.
    """
    number = state.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number < LIMIT:
        raise StateMismatchError(f"the state's {name} is {number!r}, and must be a whole number from {least} on")
    return number


def _whole(name: str, number: Any) -> int:
    try:
        return as_index(number)
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number, not {type(number).__name__}") from None
