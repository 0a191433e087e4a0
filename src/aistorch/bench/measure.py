"""One measurement, in this process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from aistorch.bench.compute import computation
from aistorch.bench.content import object_content
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.reading import reading
from aistorch.bench.task import Figures, Task

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def measure(task: Task) -> Figures:
    """Does what the task says and measures it.

    Raises:
        BenchmarkError: Not everything was read that should have been.
    """
    contents: Callable[[Task], Iterator[bytes]]
    contents = _nothing if task.contender == "alone" else reading(task.contender, task.kind)
    compute = computation(task.compute, task.compute_amount) if task.compute else None
    rss_before = _rss_peak()
    cpu = _cpu_seconds()
    start = time.perf_counter()
    done = _consume(contents(task), compute, _expected(task), stop=task.kind == "first")
    _check(task, done)
    cpu_seconds = _cpu_seconds() - cpu
    return Figures(
        done.samples, done.bytes, done.last - start, cpu_seconds, done.first - start, rss_before, _rss_peak()
    )


def verify(task: Task) -> None:
    """Reads the whole bucket and compares each byte; what is measured later then comes out of the server's memory.

    Raises:
        BenchmarkError: An object is missing or holds something else.
    """
    numbers = set()
    for content in reading(task.contender, "iterate")(task):
        number = int.from_bytes(content[:8], "little")
        if content != object_content(number, task.bucket.size):
            raise BenchmarkError(f"an object of {task.bucket.name} holds what was not written there; use --clean")
        numbers.add(number)
    if numbers != set(range(task.bucket.objects)):
        raise BenchmarkError(f"{task.bucket.name} holds {len(numbers)} objects of {task.bucket.objects}; use --clean")


class _Done(NamedTuple):
    """What was consumed, and when the first sample was there and the last one done with."""

    samples: int
    bytes: int
    first: float
    last: float


def _consume(contents: Iterator[bytes], compute: Callable[[], object] | None, expected: int, *, stop: bool) -> _Done:
    """Takes samples to the end, or until there are as many as expected."""
    count = size = 0
    first = last = 0.0
    for content in contents:
        if not count:
            first = time.perf_counter()
        count += 1
        size += len(content)
        if compute:
            compute()
        if count == expected:
            last = time.perf_counter()
            if stop:
                break
    return _Done(count, size, first, last)


def _expected(task: Task) -> int:
    return 1 if task.kind == "first" else task.bucket.objects


def _check(task: Task, done: _Done) -> None:
    expected = _expected(task)
    size = 0 if task.contender == "alone" else expected * task.bucket.size
    if (done.samples, done.bytes) != (expected, size):
        raise BenchmarkError(
            f"{task.contender} read {done.samples} samples with {done.bytes} bytes instead of {expected} with {size}"
        )


def _nothing(task: Task) -> Iterator[bytes]:
    for _ in range(task.bucket.objects):
        yield b""


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _rss_peak() -> int:
    """Bytes."""
    return _RSS_UNIT * max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
