"""Where an iteration over a mixture is that each worker mixes for itself, and what of it a state holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aistorch.errors import StateMismatchError
from aistorch.loading.epochs import LIMIT

_LISTS = ("active", "counts", "given", "passes", "datasets")


@dataclass
class MixProgress:
    """Where an iteration is; a list has an entry for each dataset, unless it says otherwise.

    Attributes:
        epoch: In which the iteration began.
        active: The numbers of the datasets that are still mixed.
        counts: How many samples each of `active` has given since there were as many of them.
        given: How many samples each has given in all.
        passes: How many times each has come to its end and begun again.
        datasets: The state in which each is to begin, None for its start.
        process: That of the iteration.
        started: The datasets that have begun.
    """

    epoch: int
    active: list[int]
    counts: list[int]
    given: list[int]
    passes: list[int]
    datasets: list[Any]
    process: int = field(default_factory=os.getpid)
    started: set[int] = field(default_factory=set)

    @classmethod
    def start(cls, epoch: int, datasets: int) -> MixProgress:
        """That of the start of an epoch."""
        zeros = [0] * datasets
        return cls(epoch, list(range(datasets)), zeros.copy(), zeros.copy(), zeros.copy(), [None] * datasets)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> MixProgress:
        """That in a state, which `check_lists` has looked at."""
        active, counts, given, passes, datasets = (list(state[name]) for name in _LISTS)
        return cls(state["epoch"], active, counts, given, passes, datasets)

    def position(self) -> dict[str, Any]:
        """As a state holds it."""
        return {"epoch": self.epoch, **{name: list(getattr(self, name)) for name in _LISTS}}

    def leave_out(self, turn: int) -> None:
        """Goes on without the dataset whose turn this is, since it has no more."""
        del self.active[turn]
        self.counts = [0] * len(self.active)

    def begin_again(self, number: int) -> None:
        """Begins the next epoch of a dataset."""
        self.passes[number] += 1
        self.datasets[number] = None


def check_lists(state: Mapping[str, Any], datasets: Sequence[Any]) -> None:
    """Looks at the lists in a state.

    Raises:
        StateMismatchError: They are none, or not those of these datasets.
    """
    if not all(isinstance(state.get(name), list) for name in _LISTS):
        raise StateMismatchError(f"the state lacks one of {', '.join(_LISTS)}, or it is no list")
    count = len(datasets)
    for name in _LISTS[:-1]:
        if not all(type(number) is int and 0 <= number < LIMIT for number in state[name]):
            raise StateMismatchError(f"the state's {name} are {state[name]!r}, and must be whole numbers")
    lengths = [len(state[name]) for name in _LISTS]
    if lengths != [lengths[0], lengths[0], count, count, count] or sorted(set(state["active"])) != state["active"]:
        raise StateMismatchError(f"the lists of the state are not those of {count} datasets")
    if state["active"] and state["active"][-1] >= count:
        raise StateMismatchError(f"the state's active are {state['active']!r}, of {count} datasets")
    for dataset, own in zip(datasets, state["datasets"], strict=True):
        if own is not None and not (isinstance(own, Mapping) and hasattr(dataset, "load_state_dict")):
            raise StateMismatchError(f"the state of {type(dataset).__name__} is {own!r}, which it cannot load")
