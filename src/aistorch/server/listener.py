"""The port of one node: opened, closed as if the node had died, and opened again."""

from __future__ import annotations

import asyncio
import socket
import ssl

from aiohttp import web

from aistorch.server.app import App
from aistorch.server.cluster_map import Node
from aistorch.server.faulty_writer import make_request

_BACKLOG = 1024
_HEADER_LIMIT = 1 << 20  # as AIStore
_IDLE_SECONDS = 30.0  # as AIStore
_DRAIN_SECONDS = 300.0  # a client that was redirected still sends the body of its PUT


class Listener:
    """Binds a node's port when made, so that the port is known; serves between `start` and `stop`.

    Args:
        app: Answers the requests.
        node: Its `port` is set.
        port: Wanted port, 0 for a free one.
        tls: For HTTPS.

    Raises:
        OSError: If the port is taken.
    """

    def __init__(self, app: App, node: Node, port: int, tls: ssl.SSLContext | None) -> None:
        self._app, self._node, self._tls = app, node, tls
        self._socket = _bind(app.host, port)
        node.port = self._socket.getsockname()[1]
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accepts connections; nothing happens if it does already."""
        if self._server is not None:
            return
        self._http = web.Server(
            self._app.handler(self._node),
            request_factory=make_request,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_DRAIN_SECONDS,
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
            read_bufsize=1 << 18,
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._http, sock=self._socket, ssl=self._tls, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Breaks all connections and refuses new ones. The port stays reserved."""
        if self._server is None or self._http is None:
            return
        self._server.close()
        for connection in self._http.connections:
            if connection.transport is not None:
                connection.transport.abort()
        self._server = self._http = None
        self._socket = _bind(self._app.host, self._node.port)

    def close(self) -> None:
        """Gives the port back, after `stop`."""
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound
