"""How far an epoch has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aistorch.errors import InvalidArgumentError, StateMismatchError

VERSION = 1


@dataclass(frozen=True)
class Cursor:
    """A place in an epoch that `ranks` processes read together, all of them equally far.

    Attributes:
        epoch: Which epoch.
        start: Global positions before it have been read (`Deal.start`).
        ranks: How many processes share what comes after `start`.
        taken: How many samples each of them has taken since.
    """

    epoch: int = 0
    start: int = 0
    ranks: int = 1
    taken: int = 0

    def __post_init__(self) -> None:
        for name, least in (("start", 0), ("ranks", 1), ("taken", 0)):
            if getattr(self, name) < least:
                raise InvalidArgumentError(f"cursor: {name} is {getattr(self, name)}, at least {least} is possible")

    def advance(self, samples: int) -> Cursor:
        """The place after so many more samples of each rank."""
        return replace(self, taken=self.taken + samples)

    def normalised(self, batch_size: int) -> Cursor:
        """The same place, with what every rank has taken in whole batches as part of `start`.

        Without a rest it holds for any number of ranks. The last batch of an epoch may be shorter than `batch_size`;
        who has taken it is at the end of the epoch, and `Deal.consumed` tells where that is.

        Args:
            batch_size: Of the deal that was read from.
        """
        batches, rest = divmod(self.taken, batch_size)
        return replace(self, start=self.start + batches * self.ranks * batch_size, taken=rest)

    def for_world(self, ranks: int) -> Cursor:
        """The same place for another number of ranks.

        Raises:
            StateMismatchError: It lies within a batch, which only as many ranks as before can go on with.
        """
        if ranks == self.ranks:
            return self
        if self.taken:
            raise StateMismatchError(
                f"the state was saved {self.taken} samples into a batch by {self.ranks} ranks, and cannot be gone on "
                f"with by {ranks}: save it between batches, or go on with {self.ranks}"
            )
        return replace(self, ranks=ranks)

    def to_dict(self) -> dict[str, int]:
        """As plain numbers, for JSON."""
        return {
            "version": VERSION,
            "epoch": self.epoch,
            "start": self.start,
            "world_size": self.ranks,
            "taken": self.taken,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Cursor:
        """What `to_dict` gave; it may stand among other entries.

        Raises:
            StateMismatchError: It is no such state, or one of another version.
        """
        version = state.get("version")
        if version != VERSION:
            raise StateMismatchError(
                f"the state is of version {version!r}, and this release of aistorch knows version {VERSION}: "
                "load it with the release that saved it, or begin the epoch anew"
            )
        numbers = [state.get(name) for name in ("epoch", "start", "world_size", "taken")]
        whole = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 62]
        if len(whole) < len(numbers) or not whole[2]:
            raise StateMismatchError(
                f"the state has no whole numbers that can be for epoch, start, world_size and taken, but {numbers}"
            )
        return cls(*whole)
