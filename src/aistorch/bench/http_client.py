"""Plain HTTP to a node, where the SDK would cost more than what is to be measured or prepared."""

from __future__ import annotations

import http.client
import socket
import time
from statistics import median
from urllib.parse import urlsplit

from aistore.sdk import Client

from aistorch.fetch.address import Address
from aistorch.fetch.settings import ClusterSettings

_ROUND_TRIPS = 15


class Node:
    """A keep-alive connection to one node.

    Args:
        address: Where it listens.
        settings: The cluster's, for TLS.
    """

    def __init__(self, address: Address, settings: ClusterSettings) -> None:
        self._connection: http.client.HTTPConnection
        if address.tls:
            self._connection = http.client.HTTPSConnection(address.host, address.port, context=settings.ssl_context)
        else:
            self._connection = http.client.HTTPConnection(address.host, address.port)

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, `Location` header and body of the reply to one request.

        Raises:
            OSError: The connection failed.
            http.client.HTTPException: The reply is none.
        """
        self._connection.request(method, target, body, headers or {})
        reply = self._connection.getresponse()
        return reply.status, reply.headers.get("Location", ""), reply.read()

    def connect(self) -> socket.socket:
        """The connection itself, for those who send and receive on their own; made where there is none yet.

        Raises:
            OSError: The node cannot be reached.
        """
        if self._connection.sock is None:
            self._connection.connect()
        connected: socket.socket = self._connection.sock
        return connected

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


class Nodes:
    """Connections to the nodes of a cluster, for one thread.

    Args:
        endpoint: The proxy's URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.settings = ClusterSettings.of_client(Client(endpoint).bucket("any").client)
        self._nodes: dict[Address, Node] = {}

    @property
    def authorization(self) -> dict[str, str]:
        """The header that the proxy wants, where there is a token."""
        return {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}

    def proxy(self) -> Node:
        """The endpoint."""
        return self._node(self.settings.endpoint)

    def at(self, url: str) -> Node:
        """The node that a URL names."""
        return self._node(Address.of_url(url))

    def close(self) -> None:
        """Closes all connections."""
        for node in self._nodes.values():
            node.close()

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(address, self.settings)
        return self._nodes[address]


def round_trip(endpoint: str) -> float:
    """Seconds from the smallest of questions to its answer, the median of some, the connection being there."""
    nodes = Nodes(endpoint)
    times = []
    for _ in range(_ROUND_TRIPS):
        start = time.perf_counter()
        nodes.proxy().ask("GET", "/v1/health")
        times.append(time.perf_counter() - start)
    nodes.close()
    return median(times)


def target_of(url: str) -> str:
    """Path and query of a URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
