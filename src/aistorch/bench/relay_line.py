"""A port that leads to a node, by way of connections on which bytes take longer."""

from __future__ import annotations

import asyncio
from collections import deque

from aistorch.bench.detour import Place

# Bytes that may wait to be sent on before the sender is told to hold back.
_BUFFER = 4 << 20


class Line:
    """A listening port; each connection to it gets one of its own to the node.

    Args:
        node: Where the node listens.
        latency: Seconds added to each round trip.

    Attributes:
        entrance: Where this listens, as `host:port`.
        passed: Bytes that the node has answered.
    """

    def __init__(self, node: Place, latency: float) -> None:
        self.entrance = ""
        self._node, self._latency = node, latency
        self._answers: list[Half] = []
        self._dialling: set[asyncio.Task[None]] = set()

    @property
    def passed(self) -> int:
        """Bytes that the node has answered."""
        return sum(half.passed for half in self._answers)

    async def listen(self) -> None:
        """Opens the port, on the loopback interface."""
        server = await asyncio.get_running_loop().create_server(self._accepted, "127.0.0.1", 0)
        self.entrance = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _accepted(self) -> Question:
        loop = asyncio.get_running_loop()
        delay = self._latency / 2
        # The client has its connection at once; on a longer line it would have waited for a round trip before it asks.
        question, answer = Question(delay, loop.time() + self._latency + delay), Half(delay)
        question.other, answer.other = answer, question
        self._answers.append(answer)
        dialling = loop.create_task(self._dial(question, answer))
        self._dialling.add(dialling)
        dialling.add_done_callback(self._dialling.discard)
        return question

    async def _dial(self, question: Question, answer: Half) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: answer, *self._node)
        except OSError:
            question.send(b"")
        else:
            question.read(True)


class Half(asyncio.Protocol):
    """One of two connections: what arrives here leaves at `other`.

    Args:
        delay: Seconds between the arrival of a byte and its departure.
        held_until: Time of the event loop before which nothing leaves.

    Attributes:
        other: The other connection, there before a byte arrives.
        passed: Bytes that have left.
    """

    other: Half

    def __init__(self, delay: float, held_until: float = 0.0) -> None:
        self.passed = 0
        self._delay, self._held_until = delay, held_until
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        if isinstance(transport, asyncio.Transport):
            transport.set_write_buffer_limits(_BUFFER)
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._queue(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the event loop's signature
        """Called by the event loop; the other side ends when it has got everything."""
        self._transport = None
        self._queue(b"")

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self.other.read(False)

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self.other.read(True)

    def read(self, on: bool) -> None:
        """Takes bytes, or lets them wait with the sender."""
        if self._transport:
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def send(self, data: bytes) -> None:
        """Has bytes leave here; none at all end the connection."""
        if self._transport and data:
            self._transport.write(data)
        elif self._transport:
            self._transport.close()

    def _queue(self, data: bytes) -> None:
        due = max(self._loop.time() + self._delay, self._held_until)
        self._waiting.append((due, data))
        if len(self._waiting) == 1:
            self._loop.call_at(due, self._pass_on)

    def _pass_on(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, data = self._waiting.popleft()
            self.passed += len(data)
            self.other.send(data)
        if self._waiting:
            self._loop.call_at(self._waiting[0][0], self._pass_on)


class Question(Half):
    """The client's connection: nothing is read from it before the node is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        self.read(False)
