"""Objects written at a rate that makes 100,000 of them bearable: the SDK's own writer takes five times as long."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from aistore.sdk import Client
from aistore.sdk.errors import AISError

from aistorch.bench.content import object_content, object_name
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.http_client import Nodes, target_of
from aistorch.bench.workload import BucketSpec

_THREADS = 4
# A proxy that redirects reads so much of a body; it closes the connection on a longer one, as the SDK knows.
_LARGE = 128 << 10


def upload(endpoint: str, spec: BucketSpec, numbers: Iterable[int], on_object: Callable[[], None]) -> None:
    """Writes these objects of a bucket; `on_object` is called after each.

    Raises:
        BenchmarkError: The server refused one.
    """
    local = threading.local()
    opened: list[Nodes] = []
    bucket = Client(endpoint).bucket(spec.name)

    def put(number: int) -> None:
        name, content = object_name(spec, number), object_content(spec, number)
        try:
            if len(content) > _LARGE:
                bucket.object(name).get_writer().put_content(content)
            else:
                if not hasattr(local, "nodes"):
                    local.nodes = Nodes(endpoint)
                    opened.append(local.nodes)
                _put(local.nodes, f"{spec.name}/{name}", content)
        except (OSError, http.client.HTTPException, AISError) as error:
            raise BenchmarkError(f"writing {name} to {spec.name} failed: {error}") from error
        on_object()

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(put, numbers):
                pass
    finally:
        for nodes in opened:
            nodes.close()


def _put(nodes: Nodes, name: str, content: bytes) -> None:
    target = f"/v1/objects/{name}?provider=ais"
    status, location, _ = nodes.proxy().ask("PUT", target, content, nodes.authorization)
    if status == 307:
        status, _, _ = nodes.at(location).ask("PUT", target_of(location), content)
    if status != 200:
        raise BenchmarkError(f"writing {name} was answered with status {status}")
