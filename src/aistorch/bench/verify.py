"""Whether a bucket holds what the benchmark has written."""

from __future__ import annotations

from aistorch import AISIterDataset
from aistorch.bench.content import object_content, object_name
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.reading import bucket_of
from aistorch.bench.task import Task


def verify(task: Task) -> None:
    """Reads the whole bucket and compares each byte; what is measured later then comes out of the server's memory.

    Raises:
        BenchmarkError: An object is missing or holds something else.
    """
    spec = task.bucket
    missing = {object_name(spec, number): number for number in range(spec.objects)}
    for name, content in AISIterDataset(bucket_of(task)):
        number = missing.pop(name, None)
        if number is None or content != object_content(spec, number):
            raise BenchmarkError(f"{name} of {spec.name} is not what was written there; use --clean")
    if missing:
        found = spec.objects - len(missing)
        raise BenchmarkError(f"{spec.name} holds {found} objects of {spec.objects}; use --clean")
