"""Connections of this process, made to another place than asked for.

The nodes of a cluster tell clients where to connect, so a relay in between would have to rewrite what they say.
It is simpler, and the same for every client that is written in Python, to look at where `connect` goes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

Place = tuple[str, int]


def install(detours: Mapping[Place, Place]) -> None:
    """From now on, sockets that connect to a key of `detours` reach its value."""
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _detoured(getattr(socket.socket, name), dict(detours)))


def place(text: str) -> Place:
    """The place that `host:port` names."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def _detoured(connect: Callable[..., Any], detours: Mapping[Place, Place]) -> Callable[..., Any]:
    def detoured(sock: socket.socket, address: Any) -> Any:
        known = isinstance(address, tuple) and address[:2] in detours
        return connect(sock, detours[address[:2]] if known else address)

    return detoured
