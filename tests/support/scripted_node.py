"""A node that does on each connection what a test tells it, for what no well-behaved server does."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

from aistorch.fetch.address import Address

NO_JOBS = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Asked:
    """A request that a node got.

    Attributes:
        target: What stands between GET and HTTP/1.1.
        headers: Names in lower case.
    """

    target: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The object's name."""
        return unquote(urlsplit(self.target).path.split("/", 4)[-1])

    @property
    def query(self) -> dict[str, str]:
        return {key: values[-1] for key, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def wants_map(self) -> bool:
        return self.query.get("what") == "smap"

    @property
    def asks_for_jobs(self) -> bool:
        return self.query.get("what") == "running_all"


class Wire:
    """One connection, seen from the node.

    Attributes:
        number: How many connections came before.
    """

    def __init__(self, sock: socket.socket, number: int, log: list[Asked]) -> None:
        self.number = number
        self._sock = sock
        self._log = log

    def requests(self) -> Iterator[Asked]:
        """Each request as it comes, until the other side ends the connection."""
        for bunch in self.bunches():
            yield from bunch

    def bunches(self) -> Iterator[list[Asked]]:
        """The requests that arrived together."""
        held = b""
        with suppress(OSError):
            while data := self._sock.recv(1 << 16):
                *complete, held = (held + data).split(b"\r\n\r\n")
                bunch = [_parsed(head.decode("latin-1")) for head in complete]
                self._log += bunch
                yield bunch

    def send(self, data: bytes) -> None:
        with suppress(OSError):
            self._sock.sendall(data)

    def end(self) -> None:
        """Ends the connection in good order."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Breaks it."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._sock.close()


def _parsed(head: str) -> Asked:
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Asked(first.split(" ")[1], {name.lower(): value.strip() for name, _, value in pairs})


Talk = Callable[[Wire], None]


def answering(answer: Callable[[Asked], bytes]) -> Talk:
    """What a node does that answers each request by itself; a connection ends where there is no answer."""

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            reply = NO_JOBS if asked.asks_for_jobs else answer(asked)
            if not reply:
                wire.end()
                return
            wire.send(reply)

    return talk


class ScriptedNode:
    """Listens on a port of its own while in a `with` block; each connection is in a thread of its own.

    Attributes:
        asked: All requests so far, in the order of their arrival.
        connections: How many connections there have been.
    """

    def __init__(self, talk: Talk) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._talk = talk
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", int(self._listener.getsockname()[1]))

    @property
    def url(self) -> str:
        return str(self.address)

    def objects(self) -> list[Asked]:
        """The requests for objects."""
        return [asked for asked in self.asked if not asked.wants_map and not asked.asks_for_jobs]

    def __enter__(self) -> ScriptedNode:
        thread = Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                thread = Thread(target=self._serve, args=(sock, self.connections), daemon=True)
                self.connections += 1
                thread.start()
                self._threads.append(thread)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock:
            self._talk(Wire(sock, number, self.asked))
