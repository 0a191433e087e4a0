"""The servers of the contract tests, and the buckets that the documentation's examples read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aistore.sdk import Client

from tests.contract.conftest import Server, ais, bucket, second_server
from tests.support.objects import put_all

__all__ = ["ais", "bucket", "documented", "second_server"]

BUCKETS = {
    "bucket1": {f"file-{number}": b"content %d" % number for number in range(4)}
    | {"other": b"something else", "text/a.txt": b"a text"},
    "bucket2": {"train/x": b"train x", "train/y": b"train y", "val/z": b"val z"},
}
WRITTEN = ("my-bck", "dataset-example")
"""What examples create."""


@pytest.fixture(scope="module")
def documented(ais: Server) -> Iterator[Server]:
    """A server that has what the examples read."""
    client = ais.client()
    make(client)
    yield ais
    for name in (*BUCKETS, *WRITTEN):
        client.bucket(name).delete(missing_ok=True)


def make(client: Client) -> None:
    """Make the buckets."""
    for name, contents in BUCKETS.items():
        put_all(client.bucket(name).create(exist_ok=True), contents)
