"""What a consumer does with a sample: a fixed amount of work, so that whoever takes the processor away shows.

A loop that ends by the clock would hide that.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from aistorch.errors import InvalidArgumentError

_SECONDS = 1e-3
_TRIES = 200


def computation(kind: str, amount: int) -> Callable[[], object]:
    """Work to be done with each sample.

    Args:
        kind: `python` never lets go of the GIL (but for the interpreter's own switching), `native` works without it.
        amount: Steps of a loop, or bytes to hash.

    Raises:
        InvalidArgumentError: There is no such kind.
    """
    if kind == "python":
        return lambda: _count(amount)
    if kind == "native":
        memory = bytes(amount)
        return lambda: hashlib.sha256(memory)
    raise InvalidArgumentError(f"there is no computation {kind!r}; there are python and native")


def calibrate(kind: str, seconds: float = _SECONDS) -> int:
    """The amount that takes so many seconds on this machine, undisturbed."""
    amount = 10_000
    for _ in range(3):
        amount = max(1, round(amount * seconds / _quickest(computation(kind, amount))))
    return amount


def _quickest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _count(steps: int) -> int:
    value = 0
    for step in range(steps):
        value ^= step
    return value
