"""The servers that contract tests run against: the embedded one (1 and 3 targets) and a real cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from aistore.sdk import Bucket, Client

from tests.support.cluster import Cluster, why_no_cluster


@dataclass(frozen=True)
class Server:
    """A running AIStore.

    Attributes:
        endpoint: URL of its proxy.
        embedded: Whether it is aistorch's own.
        targets: How many targets it has.
    """

    endpoint: str
    embedded: bool
    targets: int

    def client(self) -> Client:
        return Client(self.endpoint)


@pytest.fixture(scope="session", params=["embedded-1", "embedded-3", "cluster"])
def ais(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server in turn."""
    if request.param == "cluster":
        yield from _real(tmp_path_factory)
    else:
        yield from _embedded(int(request.param.removeprefix("embedded-")))


@pytest.fixture(scope="session")
def second_server() -> Iterator[Server]:
    """Another server than `ais`, embedded."""
    yield from _embedded(1)


@pytest.fixture
def bucket(ais: Server) -> Iterator[Bucket]:
    """A new empty bucket, gone after the test."""
    made = ais.client().bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    yield made
    made.delete(missing_ok=True)


def _embedded(targets: int) -> Iterator[Server]:
    from aistorch.server import EmbeddedAIStore

    with EmbeddedAIStore(targets=targets) as server:
        yield Server(server.endpoint, embedded=True, targets=targets)


def _real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if endpoint := os.environ.get("AIS_ENDPOINT"):
        targets = len(Client(endpoint).cluster().get_info().tmap)
        yield Server(endpoint, embedded=False, targets=targets)
        return
    if reason := why_no_cluster():
        pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield Server(cluster.endpoint, embedded=False, targets=cluster.targets)
