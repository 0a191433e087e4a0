"""Replies through a real socket: however the bytes are cut, the same bodies come out, and garbage is a typed loss."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.fetch.address import Address
from aistorch.fetch.connection import LARGE_BODY, Connection
from aistorch.fetch.losses import ConnectionLostError
from aistorch.fetch.reply import Head
from aistorch.fetch.request import Request
from tests.support.replies import chunked, plain, refusal, stored, until_close

ADDRESS = Address("127.0.0.1", 1)
TAIL = b" HTTP/1.1\r\nHost: node\r\n\r\n"


@dataclass
class Recorder:
    """Keeps what a connection hands over: (position, status, body, checksum)."""

    replies: list[tuple[int, int, bytes, int | None]] = field(default_factory=list)

    def announce(self, request: Request, length: int, checksum: int | None) -> None:
        assert request.part is None or request.part.body.size == length

    def accept(self, address: Address, request: Request, body: bytes, checksum: int | None) -> None:
        assert address == ADDRESS
        assert type(body) is bytes
        self.replies.append((request.position, 200, body, checksum))

    def accept_part(self, address: Address, request: Request) -> None:
        assert address == ADDRESS
        assert request.part is not None
        body, request.part = request.part.body, None
        assert body.missing == 0
        self.replies.append((request.position, 200, bytes(body.content), body.checksum))

    def refuse(self, address: Address, request: Request, head: Head, body: bytes) -> None:
        assert address == ADDRESS
        self.replies.append((request.position, head.status, body, None))


@dataclass(frozen=True)
class Reply:
    """A reply on the wire and what is to be made of it."""

    wire: bytes
    status: int
    body: bytes
    checksum: int | None = None


def requests(count: int, size: int = -1) -> list[Request]:
    return [Request(position, b"GET /v1/objects/b/o", size, None, "o", "ais://b/") for position in range(count)]


@contextmanager
def connected() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    connection = Connection(ADDRESS, TAIL, ours)
    try:
        yield connection, theirs
    finally:
        connection.close()
        theirs.close()


def deliver(connection: Connection, theirs: socket.socket, piece: bytes, recorder: Recorder) -> None:
    """Sends a piece and lets the connection take all of it."""
    theirs.setblocking(False)
    left = memoryview(piece)
    while left:
        with suppress(BlockingIOError):
            left = left[theirs.send(left) :]
        connection.receive(recorder)
    while _readable(connection.sock):
        connection.receive(recorder)


def _readable(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def pieces(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield stream[begin:end]


def _noise(size: int) -> bytes:
    # Line ends and what looks like a head must not matter within a body.
    return (b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0\r\n" * (size // 40 + 1))[:size]


bodies = st.binary(max_size=64) | st.sampled_from([0, 1, 4096, 70_000, LARGE_BODY - 1, LARGE_BODY, 200_000]).map(_noise)
texts = st.binary(max_size=64) | st.sampled_from([0, 1, 4096, 10_000]).map(_noise)
errors = st.sampled_from([301, 401, 404, 409, 416, 429, 500, 503])


def _stored(body: bytes) -> Reply:
    return Reply(stored(body), 200, body, xxhash.xxh64_intdigest(body))


def _odd_headers(body: bytes) -> Reply:
    headers = (f"ais-checksum-value:{xxhash.xxh64_hexdigest(body)}", "x-odd:", "AIS-CHECKSUM-TYPE:\t xxhash2 ")
    return Reply(plain(200, body, *headers), 200, body, xxhash.xxh64_intdigest(body))


def _lower_case(body: bytes) -> Reply:
    head = f"HTTP/1.1 200 \r\nais-version: 1\r\ncontent-length: {len(body)}\r\netag: x".encode()
    return Reply(head + b"\r\n\r\n" + body, 200, body)


def _other_checksum(body: bytes) -> Reply:
    headers = ("Ais-Checksum-Type: md5", "Ais-Checksum-Value: 0cc175b9c0f1b6a831c399e269772661")
    return Reply(plain(200, body, *headers), 200, body)


def _chunked(status: int, chunks: list[bytes], trailer: str) -> Reply:
    return Reply(chunked(status, chunks, trailer=trailer), status, b"".join(chunks))


trailers = st.sampled_from(["", "X-Trailer: yes\r\n"])
replies = st.one_of(
    bodies.map(_stored),
    bodies.map(_stored),
    bodies.map(_odd_headers),
    bodies.map(_lower_case),
    bodies.map(_other_checksum),
    st.builds(
        _chunked,
        st.just(200),
        st.lists(bodies.filter(bool), max_size=4),
        trailers,
    ),
    st.builds(_chunked, errors, st.lists(texts.filter(bool), max_size=4), trailers),
    st.builds(lambda status, body: Reply(plain(status, body), status, body), errors, texts),
    st.just(Reply(b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", 204, b"")),
)


@settings(max_examples=200)
@given(
    sent=st.lists(replies, min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=30),
    announced=st.booleans(),
    last=st.none() | bodies,
)
def test_any_split_gives_the_same_replies(
    sent: list[Reply], cuts: list[int], announced: bool, last: bytes | None
) -> None:
    if last is not None:
        sent = [*sent, Reply(until_close(200, last), 200, last)]
    recorder = Recorder()
    with connected() as (connection, theirs):
        asked = requests(len(sent))
        for request, reply in zip(asked, sent, strict=True):
            request.size = len(reply.body) if announced else -1
        connection.send(asked)
        for piece in pieces(b"".join(reply.wire for reply in sent), cuts):
            deliver(connection, theirs, piece, recorder)
        assert len(recorder.replies) == len(sent) - (last is not None)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionLostError) as lost:
            connection.receive(recorder)
        assert not lost.value.started
        assert not connection.pending
        assert connection.served == len(sent)
    expected = [(position, reply.status, reply.body, reply.checksum) for position, reply in enumerate(sent)]
    assert recorder.replies == expected


@settings(max_examples=50)
@given(sent=st.lists(replies, min_size=1, max_size=5), at=st.floats(0, 1, exclude_max=True))
def test_an_end_within_a_reply_loses_that_reply_and_those_behind_it(sent: list[Reply], at: float) -> None:
    stream = b"".join(reply.wire for reply in sent)
    cut = int(at * len(stream))
    complete, whole = 0, 0
    while whole + len(sent[complete].wire) <= cut:
        whole += len(sent[complete].wire)
        complete += 1
    recorder = Recorder()
    with connected() as (connection, theirs):
        connection.send(requests(len(sent)))
        deliver(connection, theirs, stream[:cut], recorder)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionLostError) as lost:
            connection.receive(recorder)
        assert lost.value.started == (cut > whole)
        assert [request.position for request in connection.pending] == list(range(complete, len(sent)))
    assert [reply[2] for reply in recorder.replies] == [reply.body for reply in sent[:complete]]


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 ²²² OK\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1\r\n\r\n",
        plain(404, b"").replace(b"Length: 0", b"Length: many"),
        plain(404, b"").replace(b"Length: 0", b"Length: -1"),
        plain(404, b"").replace(b"Length: 0", "Length: ²".encode("latin-1")),
        stored(b"").replace(b"Length: 0", b"Length: many"),
        stored(b"").replace(b"Length: 0", b"Length: -5"),
        stored(b"").replace(b"Length: 0", b"Length: "),
        chunked(200, [b"abc"]).replace(b"3\r\nabc", b"xyz\r\nabc"),
        chunked(200, [b"abc"]).replace(b"3\r\nabc", b"-3\r\nabc"),
        chunked(200, [b"abc"]).replace(b"3\r\nabc", b"\r\nabc"),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 17),
    ],
)
def test_what_is_no_http_is_a_loss(wire: bytes) -> None:
    recorder = Recorder()
    with connected() as (connection, theirs):
        connection.send(requests(2))
        with pytest.raises(ConnectionLostError) as lost:
            deliver(connection, theirs, stored(b"good") + wire, recorder)
        assert lost.value.started
        assert [request.position for request in connection.pending] == [1]
    assert [reply[2] for reply in recorder.replies] == [b"good"]


def test_a_checksum_that_is_none_counts_as_not_announced() -> None:
    recorder = Recorder()
    with connected() as (connection, theirs):
        connection.send(requests(2))
        deliver(connection, theirs, stored(b"body", checksum="no hex digits..."), recorder)
        deliver(connection, theirs, stored(b"body", checksum=""), recorder)
    assert [reply[1:] for reply in recorder.replies] == [(200, b"body", None)] * 2


def test_a_reply_that_nobody_asked_for_is_a_loss() -> None:
    with connected() as (connection, theirs):
        connection.send(requests(1))
        with pytest.raises(ConnectionLostError, match="no request asked for"):
            deliver(connection, theirs, stored(b"1") + stored(b"2"), Recorder())


@settings(max_examples=300)
@given(sent=st.lists(replies, min_size=1, max_size=3), data=st.data())
def test_damaged_streams_are_replies_or_losses_and_nothing_else(sent: list[Reply], data: st.DataObject) -> None:
    stream = bytearray(b"".join(reply.wire for reply in sent))
    for _ in range(data.draw(st.integers(1, 5))):
        # Mostly in a head, where it hurts.
        position = data.draw(st.integers(0, min(len(stream) - 1, 300)))
        stream[position] = data.draw(st.integers(0, 255))
    with connected() as (connection, theirs):
        connection.send(requests(len(sent) + 8))
        try:
            deliver(connection, theirs, bytes(stream), Recorder())
            theirs.shutdown(socket.SHUT_WR)
            connection.receive(Recorder())
        except ConnectionLostError:
            return
        pytest.fail("the end of the connection went unnoticed")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "the connection was closed"),
        (b"HTTP/1.1 200 O", "the connection ended within a reply"),
        (stored(b"x" * 100)[:-40], "ended at byte 60 of 100"),
        (stored(bytes(LARGE_BODY))[: -LARGE_BODY + 1000], f"ended at byte 1000 of {LARGE_BODY}"),
        (chunked(200, [b"abc"])[:-3], "the connection ended within a reply"),
    ],
)
def test_a_loss_says_where_it_happened(sent: bytes, text: str) -> None:
    with connected() as (connection, theirs):
        connection.send(requests(1))
        if sent:
            deliver(connection, theirs, sent, Recorder())
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionLostError) as lost:
            connection.receive(Recorder())
    assert str(lost.value) == text
    assert lost.value.started == bool(sent)


def test_requests_arrive_in_order_in_one_piece_each() -> None:
    lines = [f"GET /v1/objects/b/{number}?provider=ais".encode() for number in range(5)]
    with connected() as (connection, theirs):
        connection.send([Request(n, line, -1, None, "o", "ais://b/") for n, line in enumerate(lines)])
        assert theirs.recv(1 << 16) == b"".join(line + TAIL for line in lines)
        assert not connection.wants_to_write


def test_what_the_socket_does_not_take_at_once_follows() -> None:
    line = b"GET /" + b"x" * (1 << 20)
    with connected() as (connection, theirs):
        connection.send([Request(0, line, -1, None, "o", "ais://b/")])
        assert connection.wants_to_write
        arrived = b""
        while connection.wants_to_write:
            arrived += theirs.recv(1 << 16)
            connection.flush()
        theirs.setblocking(False)
        while len(arrived) < len(line + TAIL):
            arrived += theirs.recv(1 << 16)
        assert arrived == line + TAIL


def test_sending_to_a_node_that_has_gone_is_a_loss_without_a_reply_begun() -> None:
    with connected() as (connection, theirs):
        theirs.close()
        with pytest.raises(ConnectionLostError) as lost:
            connection.send(requests(1))
        assert not lost.value.started
        assert len(connection.pending) == 1


def test_error_bodies_reach_the_handler_whole() -> None:
    wire = refusal(404, "t[abc]: ais://b/o does not exist")
    recorder = Recorder()
    with connected() as (connection, theirs):
        connection.send(requests(1))
        for byte in wire:
            deliver(connection, theirs, bytes([byte]), recorder)
    assert recorder.replies == [(0, 404, wire.partition(b"\r\n\r\n")[2], None)]
