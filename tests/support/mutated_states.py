"""Saved states that somebody has damaged, and what may come of loading one.

A damaged state is refused with `StateMismatchError`, or what was damaged does not matter and the reading goes on as it
would have. A state in which a value has become another one that could be (`Mutation.plausible`) may also lead to
another place of the epoch: samples that are there, each at most once. Anything else is wrong: another error, samples
that come twice, no end, memory as large as a number in the state.
"""

from __future__ import annotations

import copy
import math
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from aistorch.errors import StateMismatchError

HUGE = (1 << 31, 1 << 63, (1 << 64) + 3, -(1 << 63))
SCALARS = (None, True, False, -1, 1.5, math.nan, math.inf, "", "x", "1", *HUGE)
SECONDS = 20
BYTES = 1 << 31


@dataclass(frozen=True, eq=False)
class Mutation:
    """A damaged copy of a state.

    Attributes:
        where: Which value of it is another one, such as `states.0.taken`.
        what: What it has become.
        plausible: Whether it could be a state of another moment.
        state: The copy.
    """

    where: str
    what: str
    plausible: bool
    state: Any

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


def mutations(state: dict[str, Any]) -> Iterator[Mutation]:
    """All of a state, which is JSON: each value in it replaced and removed, lists of other lengths, deep nesting."""
    others: list[Any] = [None, 5, "x", [], {}, [state]]
    for other in others:
        yield Mutation("the state", f"is {other!r:.20}", False, copy.deepcopy(other))
    for path in _paths(state):
        where, value = ".".join(map(str, path)), _at(state, path)
        for other in _others(value):
            if isinstance(path[-1], int) and isinstance(value, str) and isinstance(other, str):
                continue  # such as the extensions of files: any may be
            plausible = _plausible(path[-1], value, other)
            yield Mutation(where, f"is {other!r:.30}, was {value!r:.30}", plausible, _with(state, path, other))
        yield Mutation(where, "is removed", isinstance(path[-1], int), _without(state, path))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _others(value: Any) -> Iterator[Any]:
    yield from (other for other in SCALARS if not _same(other, value))
    yield from ([], [5], {}, {"x": 1}, _nested(300))
    if type(value) is int:
        yield from (value + 1, value - 1, float(value), str(value))
    if isinstance(value, list):
        yield from (value + value[-1:], value * 2, value[:-1], value[::-1])


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _nested(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def _plausible(key: Any, value: Any, other: Any) -> bool:
    if isinstance(value, list) and isinstance(other, list):
        return other in (value[:-1], value[::-1])
    if type(value) is not int or type(other) is not int or other < 0:
        return False
    return key == "epoch" or other < HUGE[0]


def _at(state: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        state = state[key]
    return state


def _with(state: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(state)
    _at(changed, path[:-1])[path[-1]] = copy.deepcopy(value)
    return changed


def _without(state: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(state)
    del _at(changed, path[:-1])[path[-1]]
    return changed


class TookTooLongError(Exception):
    """What a hang is made of here."""


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = BYTES) -> Iterator[None]:
    """Ends what has no end, and what wants more memory than that besides what is in use; in the main thread."""

    def stop(*_: Any) -> None:
        raise TookTooLongError(f"it took more than {seconds} s")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = limits[0]
    if (pages := Path("/proc/self/statm")).exists():
        most = int(pages.read_text().split()[0]) * resource.getpagesize() + memory
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)


class Reading:
    """A dataset or loader whose states are damaged.

    Args:
        make: Makes it anew.
        samples: Iterates over it, and gives its samples as something that can be hashed.
        after: After how many samples the state is saved.
    """

    def __init__(self, make: Callable[[], Any], samples: Callable[[Any], Iterator[Any]], after: int) -> None:
        self._make, self._samples = make, samples
        self._all = list(samples(make()))
        begun = make()
        iterator = samples(begun)
        for _ in range(after):
            next(iterator)
        self.state: dict[str, Any] = begun.state_dict()
        self._rest = self._read_from(self.state)
        if not 0 < len(self._rest) < len(self._all):
            raise ValueError(f"{len(self._rest)} of {len(self._all)} samples are left: a state in the midst is wanted")

    def problem_of(self, mutation: Mutation) -> str:
        """What is wrong in what comes of this state: "" where nothing is."""
        return self._without_errors(self._problem_of, mutation)

    def problem_at_load(self, mutation: Mutation) -> str:
        """The same, if nothing is read."""
        return self._without_errors(self._load_only, mutation)

    def _without_errors(self, run: Callable[[Mutation], str], mutation: Mutation) -> str:
        try:
            with bounded():
                return run(mutation)
        except StateMismatchError:
            return ""
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {error!s:.100}"

    def _problem_of(self, mutation: Mutation) -> str:
        read = self._read_from(mutation.state)
        if read == self._rest:
            return ""
        if not mutation.plausible:
            return f"is read from, as if it were sound: {len(read)} samples, {len(self._rest)} were left"
        wrong = Counter(read) - Counter(self._all)
        return f"{len(wrong)} samples come twice, or are none: {list(wrong)[:2]!r:.60}" if wrong else ""

    def _load_only(self, mutation: Mutation) -> str:
        reader = self._make()
        reader.load_state_dict(mutation.state)
        reader.state_dict()
        return ""

    def _read_from(self, state: Any) -> list[Any]:
        reader = self._make()
        reader.load_state_dict(state)
        reader.state_dict()  # saved again before anything is read
        read = list(islice(self._samples(reader), 2 * len(self._all)))
        reader.state_dict()
        return read
