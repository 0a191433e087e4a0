"""PUTs to servers that do what they may."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aistorch.config import RetryPolicy
from aistorch.fetch.address import Address
from aistorch.fetch.settings import ClusterSettings
from aistorch.shards import put as put_module
from aistorch.shards.put import PutError, put

QUICK = RetryPolicy(attempts=3, backoff=0.0)
BODY = bytes(range(256)) * 40_000
CONTINUE, OK = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += sock.recv(1)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def body(self) -> bytes:
        received = bytearray()
        while len(received) < len(BODY):
            received += self.sock.recv(1 << 20)
        return bytes(received)


@contextmanager
def serving(*scripts: Callable[[Peer], object]) -> Iterator[tuple[str, list[object]]]:
    """A server that does one script a connection; its URL, and what the scripts have returned."""
    results: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for script in scripts:
                sock, _ = listener.accept()
                with sock:
                    results.append(script(Peer(sock)))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", results
        thread.join(10)
        assert not thread.is_alive(), "a script waits for something that does not come"


def send(url: str, repeatable: bool = False, token: str | None = None) -> None:
    put(ClusterSettings(Address.of_url(url), token=token), "/v1/objects/b/o?provider=ais", BODY, QUICK, repeatable)


def take(peer: Peer) -> bytes:
    peer.say(CONTINUE)
    body = peer.body()
    peer.say(OK)
    return body


def lose(peer: Peer) -> bytes:
    peer.say(CONTINUE)
    return peer.body()


def test_the_body_follows_when_it_is_asked_for() -> None:
    with serving(take) as (url, results):
        send(url)
    assert results == [BODY]


def test_a_redirect_is_followed_without_the_body_and_without_the_token() -> None:
    heads = []

    def target(peer: Peer) -> bytes:
        heads.append(peer.head)
        return take(peer)

    with serving(target) as (target_url, results):

        def proxy(peer: Peer) -> None:
            heads.append(peer.head)
            location = f"{target_url}/v1/objects/b/o?provider=ais&pid=p"
            peer.say(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
            peer.sock.settimeout(5)
            assert peer.sock.recv(1) == b""  # nothing more was sent

        with serving(proxy) as (url, _):
            send(url, token="secret")
    assert results == [BODY]
    assert b"Authorization: Bearer secret" in heads[0]
    assert b"secret" not in heads[1]
    assert heads[1].startswith(b"PUT /v1/objects/b/o?provider=ais&pid=p HTTP/1.1\r\n")
    assert all(f"Content-Length: {len(BODY)}".encode() in head for head in heads)


def test_a_server_that_never_asks_gets_the_body_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_module, "ASKING_SECONDS", 0.1)

    def silent(peer: Peer) -> bytes:
        body = peer.body()
        peer.say(OK)
        return body

    with serving(silent) as (url, results):
        send(url)
    assert results == [BODY]


def test_what_was_refused_before_it_was_sent_is_sent_again() -> None:
    with serving(lambda peer: peer.say(BUSY), take) as (url, results):
        send(url)
    assert results[1:] == [BODY]


def test_what_may_have_arrived_is_sent_again_only_if_that_does_no_harm() -> None:
    with serving(lose) as (url, _), pytest.raises(PutError) as raised:
        send(url)
    assert raised.value.sent
    with serving(lose, take) as (url, results):
        send(url, repeatable=True)
    assert results == [BODY, BODY]


def test_it_is_given_up_after_so_many_attempts() -> None:
    with serving(*[lambda peer: peer.say(BUSY)] * 3) as (url, _), pytest.raises(PutError, match="busy") as raised:
        send(url)
    assert (raised.value.status, raised.value.sent) == (503, False)


def test_a_final_refusal_is_told_at_once() -> None:
    refusal = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno bucket"
    with serving(lambda peer: peer.say(refusal)) as (url, _), pytest.raises(PutError, match="no bucket") as raised:
        send(url)
    assert raised.value.status == 404


def test_a_refusal_while_the_body_is_sent_is_told() -> None:
    def full(peer: Peer) -> None:
        peer.say(CONTINUE)
        peer.sock.recv(1000)
        peer.say(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\n\r\nfull")
        peer.sock.shutdown(socket.SHUT_WR)
        while peer.sock.recv(1 << 20):
            pass

    with serving(full) as (url, _), pytest.raises(PutError, match="full") as raised:
        send(url)
    assert raised.value.status == 507


def test_nothing_listening_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PutError, match="refused"):
        send(f"http://127.0.0.1:{port}")
