"""How long a server takes to list two pages: the measure for the time to a first sample."""

from __future__ import annotations

import json
import time

import msgspec

from aistorch.bench.errors import BenchmarkError
from aistorch.bench.http_client import Nodes
from aistorch.bench.task import Figures, Task

# All that an index holds of an object.
_PROPERTIES = "name,size,checksum,location"
_PAGE_SIZE = 0  # as many objects as the server gives at most


class _Head(msgspec.Struct):
    """All of a page but its entries."""

    UUID: str
    ContinuationToken: str


def measure_two_pages(task: Task) -> Figures:
    """Two requests, one after the other, with all that an index needs; replies are read, not decoded.

    Raises:
        BenchmarkError: The server refused.
    """
    nodes = Nodes(task.endpoint)
    cpu, seconds = time.process_time(), 0.0
    page = _Head("", "")
    try:
        for _ in range(2):
            start = time.perf_counter()
            reply = _list(nodes, task.bucket.name, page)
            seconds += time.perf_counter() - start
            page = msgspec.msgpack.decode(reply, type=_Head)
    finally:
        nodes.close()
    return Figures(1, 0, seconds, time.process_time() - cpu)


def _list(nodes: Nodes, bucket: str, page: _Head) -> bytes:
    value = {
        "prefix": "",
        "pagesize": _PAGE_SIZE,
        "uuid": page.UUID,
        "continuation_token": page.ContinuationToken,
        "props": _PROPERTIES,
        "flags": "0",
    }
    body = json.dumps({"action": "list", "name": "", "value": value}).encode()
    headers = {"Accept": "application/msgpack", "Content-Type": "application/json", **nodes.authorization}
    status, _, reply = nodes.proxy().ask("GET", f"/v1/buckets/{bucket}?provider=ais", body, headers)
    if status != 200:
        raise BenchmarkError(f"listing {bucket} was answered with status {status}")
    return reply
