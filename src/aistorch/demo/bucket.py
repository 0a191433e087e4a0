"""The demonstration's bucket, written with nothing but the official SDK."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from aistore.sdk import Bucket, Client
from tqdm.auto import tqdm

from aistorch.demo.digits import Digit
from aistorch.index.endpoint import check_reachable

_UPLOADS_AT_ONCE = 8


@contextmanager
def new_bucket(endpoint: str) -> Iterator[Bucket]:
    """A bucket with a name of its own, removed in the end: it may be made in somebody's cluster.

    Raises:
        EndpointUnreachableError: Nothing answers at the endpoint.
    """
    bucket = Client(endpoint).bucket(f"aistorch-demo-{uuid.uuid4().hex[:8]}")
    check_reachable(bucket.client)
    bucket.create()
    try:
        yield bucket
    finally:
        bucket.delete(missing_ok=True)


def store(digits: Iterable[Digit], bucket: Bucket) -> None:
    """Puts the images into the bucket, several at once, and shows how far it is."""
    waiting = list(digits)

    def put(digit: Digit) -> None:
        bucket.object(digit.name).get_writer().put_content(digit.content)

    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as threads:
        for _ in tqdm(threads.map(put, waiting), "storing", len(waiting), unit=" objects", mininterval=0.5):
            pass
