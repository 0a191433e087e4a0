"""Objects written at a rate that makes 100,000 of them bearable: the SDK's own writer takes five times as long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from aistorch.bench.content import object_content, object_name
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.http_client import Nodes, target_of
from aistorch.bench.workload import BucketSpec

_THREADS = 4


def upload(endpoint: str, spec: BucketSpec, numbers: Iterable[int], on_object: Callable[[], None]) -> None:
    """Writes these objects of a bucket; `on_object` is called after each.

    Raises:
        BenchmarkError: The server refused one.
    """
    local = threading.local()
    opened: list[Nodes] = []

    def put(number: int) -> None:
        if not hasattr(local, "nodes"):
            local.nodes = Nodes(endpoint)
            opened.append(local.nodes)
        _put(local.nodes, spec, number)
        on_object()

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(put, numbers):
                pass
    finally:
        for nodes in opened:
            nodes.close()


def _put(nodes: Nodes, spec: BucketSpec, number: int) -> None:
    target = f"/v1/objects/{spec.name}/{object_name(number)}?provider=ais"
    content = object_content(number, spec.size)
    status, location, _ = nodes.proxy().ask("PUT", target, content, nodes.authorization)
    if status == 307:
        status, _, _ = nodes.at(location).ask("PUT", target_of(location), content)
    if status != 200:
        raise BenchmarkError(f"writing {object_name(number)} to {spec.name} was answered with status {status}")
