"""The contender `webdataset`: shards over a pipe from curl, as its documentation recommends for HTTP."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Callable, Iterator

from aistorch.bench.content import object_name
from aistorch.bench.task import Task


def has_webdataset() -> bool:
    """Whether it and curl are installed."""
    return importlib.util.find_spec("webdataset") is not None and shutil.which("curl") is not None


def webdataset_reading() -> Callable[[Task], Iterator[list[bytes]]]:
    """A function that yields the contents of each sample's files; names of shards are known to it without a listing."""
    import webdataset

    def read(task: Task) -> Iterator[list[bytes]]:
        pipes = [f"pipe:curl -s -L {shlex.quote(url)}" for url in _urls(task)]
        for sample in webdataset.WebDataset(pipes, shardshuffle=False):
            # Beside the files a sample has its key and the shard's URL, which are text.
            yield [value for value in sample.values() if type(value) is bytes]

    return read


def _urls(task: Task) -> list[str]:
    folder = f"{task.endpoint}/v1/objects/{task.bucket.name}"
    return [f"{folder}/{object_name(task.bucket, number)}?provider=ais" for number in range(task.bucket.objects)]
