"""A pytest fixture: in a `conftest.py`, write `pytest_plugins = ["aistorch.server.pytest_plugin"]`.

Each test that names `embedded_aistore` gets a server that is empty and without faults. One process serves the whole
session.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aistorch.server.embedded import EmbeddedAIStore


@pytest.fixture(scope="session")
def embedded_aistore_session() -> Iterator[EmbeddedAIStore]:
    """The server behind `embedded_aistore`; not emptied between tests."""
    with EmbeddedAIStore() as server:
        yield server


@pytest.fixture
def embedded_aistore(embedded_aistore_session: EmbeddedAIStore) -> EmbeddedAIStore:
    """An embedded AIStore with no buckets and no faults."""
    embedded_aistore_session.faults.clear()
    client = embedded_aistore_session.client()
    for bucket in client.cluster().list_buckets():
        client.bucket(bucket.name).delete(missing_ok=True)
    return embedded_aistore_session
