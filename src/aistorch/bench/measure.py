"""One measurement, in this process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from aistorch.bench.compute import computation
from aistorch.bench.content import object_size
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.reading import Sample, reading
from aistorch.bench.task import Figures, Task

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def measure(task: Task) -> Figures:
    """Does what the task says and measures it.

    Raises:
        BenchmarkError: Not everything was read that should have been.
    """
    samples = _nothing if task.contender == "alone" else reading(task.contender, task.kind)
    compute = computation(task.compute, task.compute_amount) if task.compute else None
    expected = _expected(task)
    rss_before = _rss_peak()
    cpu = _cpu_seconds()
    start = time.perf_counter()
    done = _consume(samples(task), compute, expected[0], stop=task.kind == "first")
    if (done.samples, done.bytes) != expected:
        raise BenchmarkError(
            f"{task.contender} read {done.samples} samples with {done.bytes} bytes instead of {expected[0]} with "
            f"{expected[1]}"
        )
    cpu_seconds = _cpu_seconds() - cpu
    read = task.bucket.samples if task.contender == "plain" else done.samples
    return Figures(read, done.bytes, done.last - start, cpu_seconds, done.first - start, rss_before, _rss_peak())


class _Done(NamedTuple):
    """What was consumed, and when the first sample was there and the last one done with."""

    samples: int
    bytes: int
    first: float
    last: float


def _consume(samples: Iterator[Sample], compute: Callable[[], object] | None, expected: int, *, stop: bool) -> _Done:
    """Takes samples to the end, or until there are as many as expected."""
    count = size = 0
    first = last = 0.0
    for sample in samples:
        if not count:
            first = time.perf_counter()
        count += 1
        size += len(sample) if isinstance(sample, bytes) else sum(map(len, sample))
        if compute:
            compute()
        if count == expected:
            last = time.perf_counter()
            if stop:
                break
    return _Done(count, size, first, last)


def _expected(task: Task) -> tuple[int, int]:
    """How many samples, with how many bytes in all."""
    bucket = task.bucket
    if task.contender == "plain":  # its samples are whole shards
        return bucket.objects, sum(object_size(bucket, number) for number in range(bucket.objects))
    if task.kind == "first":
        return 1, bucket.size
    return bucket.samples, 0 if task.contender == "alone" else bucket.bytes


def _nothing(task: Task) -> Iterator[bytes]:
    for _ in range(task.bucket.samples):
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
