from __future__ import annotations

import socket

import pytest

from aistorch.bench import detour


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed is gone after the test."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, getattr(socket.socket, name))


def test_only_the_places_named_are_reached_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here, socket.create_server(("127.0.0.1", 0)) as there:
        detour.install({("127.0.0.1", 9): there.getsockname()})
        with socket.create_connection(("127.0.0.1", 9), timeout=10) as client:
            assert client.getpeername() == there.getsockname()
        with socket.create_connection(here.getsockname(), timeout=10) as client:
            assert client.getpeername() == here.getsockname()
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", 9)) == 0
            assert client.getpeername() == there.getsockname()
