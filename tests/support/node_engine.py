"""An engine that reads from scripted nodes, and the objects that these have."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import xxhash

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Engine
from aistorch.fetch.request import Request
from aistorch.fetch.settings import ClusterSettings
from tests.support.replies import cluster_map, plain, stored
from tests.support.scripted_node import Asked, ScriptedNode

QUICK = RetryPolicy(attempts=4, backoff=0.01, backoff_max=0.02, connect_timeout=2.0, read_timeout=10.0, patience=5.0)


def name_of(number: int, size: int) -> str:
    return f"o {number}/{size}.bin"


def content_of(name: str) -> bytes:
    """The content of each object that `name_of` can name."""
    size = int(name.rpartition("/")[2].partition(".")[0])
    return random.Random(name).randbytes(size)


def serve(asked: Asked, content: bytes | None = None) -> bytes:
    """What a target answers: the object, or the range of it that is wanted."""
    body = content_of(asked.name) if content is None else content
    if "range" not in asked.headers:
        return stored(body)
    first, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last) + 1, len(body))
    if start >= len(body):
        return plain(416, b"", f"Content-Range: bytes */{len(body)}")
    # As AIStore: the checksum is that of the whole object.
    return plain(
        206,
        body[start:stop],
        "Ais-Checksum-Type: xxhash2",
        f"Ais-Checksum-Value: {xxhash.xxh64_hexdigest(body)}",
        f"Content-Range: bytes {start}-{stop - 1}/{len(body)}",
    )


def requests_for(names: Iterable[str], target: str | None = None, sized: bool = True) -> Iterator[Request]:
    """As from a listing; with neither sizes nor checksums unless `sized`."""
    for position, name in enumerate(names):
        line = f"GET /v1/objects/bck/{quote(name)}?provider=ais HTTP/1.1".encode()
        content = content_of(name)
        size, checksum = (len(content), xxhash.xxh64_intdigest(content)) if sized else (-1, 0)
        yield Request(position, line, size, target, name, "ais://bck/", checksum=checksum)


@contextmanager
def engine_for(
    proxy: ScriptedNode, config: ReadConfig | None = None, *, path: str = "/v1", token: str | None = None
) -> Iterator[Engine]:
    config = config or ReadConfig(retry=QUICK)
    engine = Engine(Cluster(ClusterSettings(proxy.address, path=path, token=token)), config, config.budget)
    try:
        yield engine
    finally:
        engine.close()


def map_of(**targets: ScriptedNode) -> bytes:
    return cluster_map({daemon_id: node.url for daemon_id, node in targets.items()})
