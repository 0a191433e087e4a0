"""One server for all frameworks, and what lies in it; every rank is a process that reads from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aistorch import ShardWriter
from aistorch.server import EmbeddedAIStore
from tests.support.objects import put_all
from tests.support.private_network import is_private
from tests.support.trainers import COUNT, IN_SHARD, content_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ranks find one another in a private network only: a gloo group listens on all interfaces."""
    reason = "torch.distributed listens on all interfaces, so it needs a private network (`make test`)"
    for item in items:
        if "integrations" in item.path.parts and not is_private():
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """That of a server with `ais://data/objects/000` and so on, and the same as samples of shards."""
    with EmbeddedAIStore(buckets=["ais://data"]) as server:
        bucket = server.client().bucket("data")
        put_all(bucket, {f"objects/{number:03}": content_of(number) for number in range(COUNT)})
        with ShardWriter(bucket, prefix="shards", max_count=IN_SHARD) as writer:
            for number in range(COUNT):
                writer.write(f"{number:03}", {"bin": content_of(number)})
        yield server.endpoint
