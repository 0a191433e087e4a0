"""A process that adds latency: a TCP relay before each node, which passes every byte on after a while.

    python -m aistorch.bench.relay

Half of the round trip is added in each direction, and a whole one to the making of a connection, as on a longer
line. The rate is not limited. Only what clients exchange with nodes passes through, not what nodes exchange.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import socket
import subprocess
import sys
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from aistore.sdk import Client

from aistorch.bench.detour import place
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.relay_line import Line


class Relay:
    """A relay before all nodes of a cluster, as a context manager.

    Args:
        endpoint: The proxy's URL.
        latency: Seconds added to each round trip.

    Attributes:
        detours: Where to connect instead of `host:port`, as `host:port`.
    """

    def __init__(self, endpoint: str, latency: float) -> None:
        self._places = _places(endpoint)
        self._latency = latency
        self._process: subprocess.Popen[str] | None = None
        self.detours: dict[str, str] = {}

    def __enter__(self) -> Relay:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._tell({"latency": self._latency, "places": self._places})
        self.detours = self._hear()
        return self

    def passed(self) -> int:
        """Bytes that went from nodes to clients so far."""
        self._tell("passed")
        return int(self._hear())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            # The end of its input tells it to end.
            self._process.communicate()

    def _tell(self, what: Any) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def _hear(self) -> Any:
        line = self._process.stdout.readline() if self._process is not None and self._process.stdout else ""
        if not line:
            raise BenchmarkError("the relay that adds latency has ended")
        return json.loads(line)


def _places(endpoint: str) -> list[str]:
    """Where the nodes of a cluster listen, the endpoint first, with addresses instead of names."""
    members = Client(endpoint).cluster().get_info()
    nodes = [*members.pmap.values(), *members.tmap.values()]
    urls = [endpoint, *(node.public_net.direct_url for node in nodes if node.public_net)]
    return list(dict.fromkeys(_resolved(url) for url in urls))


def _resolved(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return f"{found[0][4][0]}:{port}"


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    started = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    latency = float(started["latency"])
    lines = [Line(place(text), latency) for text in started["places"]]
    for line in lines:
        await line.listen()
    _answer(dict(zip(started["places"], (line.entrance for line in lines), strict=True)))
    while await loop.run_in_executor(None, sys.stdin.readline):
        _answer(sum(line.passed for line in lines))


def _answer(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Not the default selector: on Linux that one waits for whole milliseconds.
    asyncio.SelectorEventLoop(selectors.SelectSelector()).run_until_complete(_serve())
