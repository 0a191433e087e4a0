"""The servers of the contract tests, and the buckets that the documentation's examples read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aistore.sdk import Client

from tests.contract.conftest import Server, _embedded, _real, bucket, second_server
from tests.support.objects import put_all

__all__ = ["bucket", "second_server"]

BUCKETS = {
    "bucket1": {f"file-{number}": b"content %d" % number for number in range(4)}
    | {"other": b"something else", "text/a.txt": b"a text"},
    "bucket2": {"train/x": b"train x", "train/y": b"train y", "val/z": b"val z"},
}
WRITTEN = ("my-bck", "dataset-example")
"""What examples create."""


@pytest.fixture(scope="session", params=["embedded-3", "cluster"])
def ais(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server in turn."""
    yield from _real(tmp_path_factory) if request.param == "cluster" else _embedded(3)


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
