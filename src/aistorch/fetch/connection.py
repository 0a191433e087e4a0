"""One keep-alive connection on which requests are pipelined: many are sent in one call, replies come in their order."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from typing import Protocol

import xxhash

from aistorch.fetch.address import Address
from aistorch.fetch.body import Body, Part
from aistorch.fetch.losses import ConnectionLostError, ObjectChangedError, WrongReplyError
from aistorch.fetch.reply import BodyReader, Head, MalformedReplyError, parse_head
from aistorch.fetch.request import Request
from aistorch.fetch.settings import ClusterSettings

RECEIVE_SIZE = 1 << 18
HEAD_SIZE = 1 << 12
# From here on a body is received straight into its own memory. Below, one more copy is cheaper than more calls:
# objects of 128 KiB took 105 us of CPU that way instead of 145.
LARGE_BODY = 1 << 18
# Bytes of an error's text, or of a page that is not AIStore's, that are taken.
TEXT_LIMIT = 1 << 16


class ReplyHandler(Protocol):
    """Who takes the replies of a connection.

    Each method may raise `WrongReplyError`: then the request counts as unanswered, and the connection as lost.
    """

    def announce(self, request: Request, length: int, checksum: int | None) -> None:
        """Takes note of the size and the checksum of a large object, or of one a part of which is to come."""

    def accept(self, address: Address, request: Request, body: bytes, checksum: int | None) -> None:
        """Takes the body of a reply with status 200, of the announced length, from the node at `address`."""

    def refuse(self, address: Address, request: Request, head: Head, body: bytes) -> None:
        """Takes every other reply."""

    def accept_part(self, address: Address, request: Request) -> None:
        """Takes note that a request's part of a large body is complete."""


class Connection:
    """A socket, the requests sent on it whose replies are due, and the reply that is under way.

    Attributes:
        pending: Requests sent, oldest first.
        heard: Monotonic time of the last sign of life.
        due: Monotonic time since which the reply that is due next is the one that is due next.
        served: Replies received.
    """

    __slots__ = (
        "_head",
        "_held",
        "_outgoing",
        "_part",
        "_part_from",
        "_reader",
        "_tail",
        "_verify",
        "address",
        "due",
        "heard",
        "pending",
        "served",
        "sock",
    )

    def __init__(self, address: Address, tail: bytes, sock: socket.socket, verify: bool = True) -> None:
        self.address = address
        self.sock = sock
        self.pending: deque[Request] = deque()
        self.heard = self.due = time.monotonic()
        self.served = 0
        self._tail = tail
        self._verify = verify
        self._outgoing = b""
        self._held = b""
        self._head: Head | None = None
        self._part: Part | None = None
        self._part_from = 0
        self._reader: BodyReader | None = None

    @classmethod
    def open(
        cls, address: Address, tail: bytes, settings: ClusterSettings, timeout: float | None, verify: bool = True
    ) -> Connection:
        """Connects, with TLS where the address says so; `verify` tells whether checksums are of interest.

        Raises:
            OSError: Nobody answered within `timeout` seconds, or the certificate is not trusted.
        """
        sock = socket.create_connection((address.host, address.port), timeout=timeout or None)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                sock = settings.ssl_context.wrap_socket(sock, server_hostname=address.host)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return cls(address, tail, sock, verify)

    @property
    def wants_to_write(self) -> bool:
        """Whether part of a request could not be sent yet."""
        return bool(self._outgoing)

    def send(self, requests: list[Request]) -> None:
        """Sends requests behind those that are pending.

        Raises:
            ConnectionLostError: The connection broke.
        """
        if not self.pending:
            self.heard = self.due = time.monotonic()
        self.pending.extend(requests)
        tail = self._tail
        self._outgoing += tail.join([request.line for request in requests]) + tail
        self.flush()

    def flush(self) -> None:
        """Sends as much of what waits as the socket takes.

        Raises:
            ConnectionLostError: The connection broke.
        """
        try:
            sent = self.sock.send(self._outgoing)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise self._lost(error) from error
        self._outgoing = self._outgoing[sent:]

    def receive(self, handler: ReplyHandler) -> None:
        """Takes what has arrived and hands complete replies to `handler`.

        Raises:
            ConnectionLostError: The connection ended or broke, or speaks no HTTP.
        """
        served = self.served
        try:
            if self._part is None:
                self._receive_replies(handler)
                self.heard = time.monotonic()
            if self._part is not None:  # more of a large body has come than its head, mostly
                self._receive_part(self._part, handler)
                self.heard = time.monotonic()
            if self.served != served:
                self.due = self.heard
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except MalformedReplyError as error:
            raise ConnectionLostError(str(error), started=True) from error
        except OSError as error:
            raise self._lost(error) from error

    @property
    def arrived(self) -> int:
        """Bytes that have come of the reply that is due next."""
        of_part = self._part.at - self._part_from if self._part is not None else 0
        return len(self._held) + of_part + (self._reader.size if self._reader is not None else 0)

    def has_buffered(self) -> bool:
        """Whether TLS has decrypted bytes that the socket will not announce any more."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def close(self) -> None:
        """Closes the socket; replies that were due are lost."""
        self.sock.close()

    def _receive_replies(self, handler: ReplyHandler) -> None:
        # A large body's head is fetched alone, so that nearly all of the body goes straight to its place.
        large = bool(self.pending) and self.pending[0].size >= LARGE_BODY
        data = self.sock.recv(HEAD_SIZE if large else RECEIVE_SIZE)
        if data:
            self._parse(self._held + data if self._held else data, handler)
        else:
            self._end(handler)

    def _parse(self, data: bytes, handler: ReplyHandler) -> None:
        pos, size = 0, len(data)
        while pos < size:
            if self._head is None:
                if not self.pending:
                    raise MalformedReplyError("a reply that no request asked for")
                parsed = parse_head(data, pos)
                if parsed is None:
                    break
                head, body_at = parsed
                if head.status != 200:
                    if head.is_interim:
                        pos = body_at
                        continue
                    if head.status == 206 and self.pending[0].part is None and not self._is_foreign(head):
                        raise WrongReplyError("a part came where the whole was asked for")
                if head.status in (200, 206) and head.length >= 0 and not self._is_foreign(head):
                    end = body_at + head.length
                    large = head.length >= LARGE_BODY or self.pending[0].part is not None
                    if large:
                        self._begin_part(head, data[body_at:end], handler)
                        pos = min(end, size)
                        self._end_part(handler)
                    elif end <= size:
                        if end < size and len(self.pending) == 1:
                            raise WrongReplyError("a reply that no request asked for")
                        pos = end
                        self.served += 1
                        # Pending until it is accepted, which may fail.
                        request = self.pending[0]
                        request.version = head.checksum if not head.headers else head.version
                        handler.accept(self.address, request, data[body_at:end], head.checksum)
                        self.pending.popleft()
                    else:
                        break  # wait for the rest, then parse once more
                    continue
                pos = body_at
                self._head = head
                self._reader = BodyReader(head.length, self._limit(head))
            pos = self._parse_odd(data, pos, handler)
            if self._head is not None:
                break
        self._held = data[pos:]

    def _parse_odd(self, data: bytes, pos: int, handler: ReplyHandler) -> int:
        """Goes on with a reply that is not a plain 200; returns where the next one begins, or what to keep."""
        head, reader = self._head, self._reader
        if head is None or reader is None:
            return pos
        pos = reader.feed(data, pos)
        if reader.done:
            self._finish_odd(handler, reader.body)
        elif reader.is_over:
            self._cut(head, reader, handler)
        return pos

    def _cut(self, head: Head, reader: BodyReader, handler: ReplyHandler) -> None:
        """Ends a reply of which more has come than is wanted, and the connection with it."""
        size = self.pending[0].size
        if head.status == 200 and not self._is_foreign(head):
            raise WrongReplyError(f"more than {reader.size} bytes came where {size} were listed")
        self._finish_odd(handler, reader.body)
        raise ConnectionLostError("the rest of a long text is not waited for", started=False)

    def _is_foreign(self, head: Head) -> bool:
        """Whether a reply comes from something else than AIStore, or than an ETL, whose headers are its own."""
        return head.is_foreign and not self.pending[0].is_derived

    def _limit(self, head: Head) -> int | None:
        return self.pending[0].ceiling if head.status == 200 and not self._is_foreign(head) else TEXT_LIMIT

    def _finish_odd(self, handler: ReplyHandler, body: bytes) -> None:
        head, self._head, self._reader = self._head, None, None
        self.served += 1
        if head is None:
            raise MalformedReplyError("a body without a head")
        if head.status == 200 and not self._is_foreign(head):
            self.pending[0].version = head.version
            handler.accept(self.address, self.pending[0], body, head.checksum)
        else:
            handler.refuse(self.address, self.pending[0], head, body)
        self.pending.popleft()

    def _begin_part(self, head: Head, data: bytes, handler: ReplyHandler) -> None:
        request = self.pending[0]
        size = head.length if head.status == 200 else head.content_range()[1]
        handler.announce(request, size, head.checksum)
        if request.part is None:
            request.part = Part(_new_body(head.length), 0, head.length)
            if self._verify and head.checksum is not None:
                request.part.digest = xxhash.xxh64()
        part = request.part
        if head.status == 200:
            if part.start or part.stop != head.length:
                raise ObjectChangedError(f"{head.length} bytes came where a part was asked for")
            part.restart()
        elif head.content_range() != (part.at, part.body.size) or head.length != part.stop - part.at:
            raise ObjectChangedError(f"{head.headers['content-range']} came, not {part.at}-/{part.body.size}")
        if part.body.version is None:
            part.body.checksum, part.body.version = head.checksum, head.version
        elif head.version != part.body.version:
            raise ObjectChangedError("its checksum is another one than before")
        self._part_from = part.at
        part.fill(data)
        self._part = part

    def _receive_part(self, part: Part, handler: ReplyHandler) -> None:
        count = self.sock.recv_into(part.room)
        if not count:
            raise ConnectionLostError(f"ended at byte {part.at} of {part.stop}", started=True)
        part.advance(count)
        self._end_part(handler)

    def _end_part(self, handler: ReplyHandler) -> None:
        if self._part is not None and self._part.at == self._part.stop:
            self._part = None
            self.served += 1
            handler.accept_part(self.address, self.pending[0])
            self.pending.popleft()

    def _end(self, handler: ReplyHandler) -> None:
        if self._reader is not None and self._reader.close():
            # The reply is complete; the connection ends below, without blame.
            self._finish_odd(handler, self._reader.body)
        raise ConnectionLostError(self._ended_text(), started=self.reply_has_begun)

    @property
    def reply_has_begun(self) -> bool:
        """Whether part of the reply that is due has arrived."""
        return bool(self._held or self._head or self._part)

    def _ended_text(self) -> str:
        if not self.reply_has_begun:
            return "the connection was closed"
        parsed = parse_head(self._held, 0) if self._head is None else None
        if parsed is not None:
            head, body_at = parsed
            return f"ended at byte {len(self._held) - body_at} of {head.length}"
        return "the connection ended within a reply"

    def _lost(self, error: OSError) -> ConnectionLostError:
        text = error.strerror or str(error) or type(error).__name__
        return ConnectionLostError(text.lower(), started=self.reply_has_begun)


def _new_body(size: int) -> Body:
    try:
        return Body(size)
    except (MemoryError, OverflowError) as error:
        raise WrongReplyError(f"{size} bytes were announced, more than there is memory for") from error
