"""The contender `floor`: the least that a client in Python has to do to hand out the files of shards.

It receives, computes the checksum and copies each file into memory of its own. It lists nothing and reads no headers of
TAR archives: what lies where is computed, since the benchmark has written the shards itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from aistorch.bench.content import file_offsets, object_name, object_size
from aistorch.bench.receiver import Receiver
from aistorch.bench.task import Task

_MEMORY = 256 << 10  # bytes, received into again and again: no more than stay in the cache of a core


def read_floor(task: Task) -> Iterator[list[bytes]]:
    """Yields the contents of each sample's files, in a list that is emptied for the next.

    Raises:
        BenchmarkError: A shard is missing, is of another size or does not have its checksum.
    """
    spec, receiver = task.bucket, Receiver(task.endpoint, _MEMORY)
    try:
        for number in range(0, spec.objects, 1 + spec.indexed):  # an index comes after its shard
            windows = receiver.windows(spec.name, object_name(spec, number), object_size(spec, number))
            yield from _samples(_files(windows, file_offsets(spec, number), spec.size), spec.files)
            for _ in windows:  # the end of the archive, unless it came with the last file
                pass
    finally:
        receiver.close()


def _samples(contents: Iterator[bytes], files: int) -> Iterator[list[bytes]]:
    """So many files at a time; those of one sample are let go before the next is cut, which gets their memory."""
    sample: list[bytes] = []
    while True:
        sample.extend(islice(contents, files))
        if not sample:
            return
        yield sample
        sample.clear()


def _files(windows: Iterator[memoryview], offsets: Iterable[int], size: int) -> Iterator[bytes]:
    """The files that begin at these offsets in a shard; one that does not end in its window is joined."""
    start, window = 0, next(windows)
    for offset in offsets:
        at = offset - start
        if at + size <= len(window):
            yield window[at : at + size].tobytes()
            continue
        content = window[at:].tobytes()
        while len(content) < size:
            start += len(window)
            window = next(windows)
            at = max(0, offset - start)
            content += window[at : at + size - len(content)]
        yield content
