"""The benchmark's buckets: made where they are missing, kept for the next run, removed when asked."""

from __future__ import annotations

from collections.abc import Callable

from aistore.sdk import Bucket, Client

from aistorch.bench.child import run_task
from aistorch.bench.content import object_name, object_size
from aistorch.bench.task import Task
from aistorch.bench.upload import upload
from aistorch.bench.workload import PREFIX, BucketSpec


def prepare(endpoint: str, spec: BucketSpec, on_object: Callable[[], None]) -> None:
    """Sees that a bucket is there with all its objects, and reads each of them once.

    Args:
        endpoint: The proxy's URL.
        spec: What is to be there.
        on_object: Called for each object, whether it was there or had to be written.

    Raises:
        BenchmarkError: An object could not be written, or the bucket holds something else.
    """
    bucket = Client(endpoint).bucket(spec.name).create(exist_ok=True)
    there = _sizes(bucket)
    missing = [
        number for number in range(spec.objects) if there.get(object_name(spec, number)) != object_size(spec, number)
    ]
    for _ in range(spec.objects - len(missing)):
        on_object()
    upload(endpoint, spec, missing, on_object)
    run_task(Task("aistorch", "verify", endpoint, spec))


def remove(endpoint: str) -> list[str]:
    """Removes the buckets that benchmarks have left on a server; returns their names."""
    client = Client(endpoint)
    names = sorted(each.name for each in client.cluster().list_buckets() if each.name.startswith(PREFIX))
    for name in names:
        client.bucket(name).delete(missing_ok=True)
    return names


def _sizes(bucket: Bucket) -> dict[str, int]:
    return {entry.name: int(entry.size) for entry in bucket.list_objects_iter(props="name,size")}
