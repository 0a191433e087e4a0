"""One node, the requests that wait for it and the connections to it."""

from __future__ import annotations

from collections import deque

from aistorch.fetch.address import Address
from aistorch.fetch.connection import Connection
from aistorch.fetch.request import Request

# Seconds for which a node that refused a connection is not asked again.
DOWN_TIME = 1.0


class Node:
    """A proxy or a target.

    Attributes:
        address: Where it listens.
        tail: What ends each request to it: the headers.
        waiting: Requests that are not sent yet, in order.
        connections: Open ones.
        down_until: Monotonic time before which it is not worth asking.
    """

    __slots__ = ("address", "connections", "down_until", "tail", "waiting")

    def __init__(self, address: Address, token: str | None = None) -> None:
        headers = [f"Host: {address.host_header}", "User-Agent: aistorch", "Accept: */*"]
        if token:
            headers.append(f"Authorization: Bearer {token}")
        self.address = address
        self.tail = ("\r\n" + "\r\n".join(headers) + "\r\n\r\n").encode("latin-1")
        self.waiting: deque[Request] = deque()
        self.connections: list[Connection] = []
        self.down_until = 0.0

    def feed(self, connection: Connection, depth: int) -> None:
        """Sends waiting requests on a connection that has at most half of `depth` pending, up to `depth`.

        Half: so that several requests travel in one call, and the server always has the next one at hand. A request
        that a connection broke on, or whose reply was another's, travels alone on a new connection: it takes no other's
        reply with it once more, and no other's can be taken for its own.

        Raises:
            ConnectionLostError: The connection broke; the requests are pending on it.
        """
        waiting, pending = self.waiting, connection.pending
        room = depth - len(pending)
        if room * 2 < depth or not waiting or (pending and pending[0].alone):
            return
        if waiting[0].alone:
            if not pending and not connection.served:
                connection.send([waiting.popleft()])
            return
        requests: list[Request] = []
        while waiting and len(requests) < room and not waiting[0].alone:
            requests.append(waiting.popleft())
        connection.send(requests)
