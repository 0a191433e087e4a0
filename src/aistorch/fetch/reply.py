"""Parsing of replies: the one that almost always comes, in a few searches; every other one, in full."""

from __future__ import annotations

import re

from aistorch.errors import AIStorchError

HEAD_LIMIT = 1 << 16
_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 "
_LENGTH = b"\r\nContent-Length: "
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
# A number with more digits is no length of anything (and Python refuses to read one of more than 4,300).
_MOST_DIGITS = 18
# Go writes headers in alphabetical order, so type and value stand side by side.
_CHECKSUM = b"\r\nAis-Checksum-Type: xxhash2\r\nAis-Checksum-Value: "
_HEX = b"0123456789abcdefABCDEF"


Version = int | str | None
"""What tells one version of an object from another: its xxh64; a text, where the bucket has checksums of another kind
or numbers its versions; None where a reply tells nothing of that."""


class MalformedReplyError(AIStorchError):
    """What arrived is not HTTP."""


class Head:
    """Status line and headers of a reply.

    Attributes:
        status: HTTP status.
        length: Bytes of the body; -1: chunked; -2: up to the end of the connection.
        checksum: xxh64 of the body as the server announced it, None where it announced none of that kind.
        headers: All of them, names in lower case; empty for a reply that took the fast path.
    """

    __slots__ = ("checksum", "headers", "length", "status")

    def __init__(self, status: int, length: int, checksum: int | None, headers: dict[str, str]) -> None:
        self.status = status
        self.length = length
        self.checksum = checksum
        self.headers = headers

    @property
    def version(self) -> Version:
        """What tells this version of an object from others: its checksum, of whatever kind, else its number."""
        if self.checksum is not None:
            return self.checksum
        told = [self.headers.get(name, "") for name in ("ais-checksum-type", "ais-checksum-value", "ais-version")]
        return " ".join(told) if any(told[1:]) else None

    @property
    def is_interim(self) -> bool:
        """Whether the reply itself is still to come, as after 100 and 103 (RFC 9110, 15.2)."""
        return self.status < 200

    @property
    def is_foreign(self) -> bool:
        """Whether none of the headers is AIStore's, so that something else has answered."""
        return self.checksum is None and not any(name.startswith("ais-") for name in self.headers)

    def content_range(self) -> tuple[int, int]:
        """First byte and size of the whole, of a reply with part of an object.

        Raises:
            MalformedReplyError: There is no such header, or it says something else.
        """
        text = self.headers.get("content-range", "")
        found = _CONTENT_RANGE.fullmatch(text)
        if found is None:
            raise MalformedReplyError(f"Content-Range is {text[:40]!r}")
        return int(found[1]), int(found[2])


CHUNKED = -1
UNTIL_CLOSE = -2


def parse_head(data: bytes, start: int) -> tuple[Head, int] | None:
    """The head that begins at `start` and where its body begins; None where it is not complete yet.

    Raises:
        MalformedReplyError: It is no HTTP head.
    """
    end = data.find(_END, start)
    if end < 0:
        if len(data) - start > HEAD_LIMIT:
            raise MalformedReplyError(f"a reply's head exceeds {HEAD_LIMIT} bytes")
        return None
    if data.startswith(_OK, start):
        at = data.find(_LENGTH, start, end)
        sum_at = data.find(_CHECKSUM, start, end)
        if at > 0 and sum_at > 0:
            sum_at += len(_CHECKSUM)
            at += len(_LENGTH)
            length, checksum = data[at : data.find(b"\r", at, end + 1)], data[sum_at : sum_at + 16]
            if length.isdigit() and len(length) <= _MOST_DIGITS and not checksum.strip(_HEX):
                return Head(200, int(length), int(checksum, 16), {}), end + 4
    return _parse_fully(data[start:end]), end + 4


def _parse_fully(head: bytes) -> Head:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise MalformedReplyError(f"not an HTTP reply: {status_line[:80]!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(rest[:3])
    if status == 101:
        raise MalformedReplyError("the protocol was to be changed, which nobody has asked for")
    return Head(status, _body_length(status, headers), _checksum(headers), headers)


def _body_length(status: int, headers: dict[str, str]) -> int:
    if status in (204, 304) or status < 200:
        return 0
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return CHUNKED
    text = headers.get("content-length")
    if text is None:
        return UNTIL_CLOSE
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise MalformedReplyError(f"Content-Length is {text[:40]!r}")
    return int(text)


def _checksum(headers: dict[str, str]) -> int | None:
    if headers.get("ais-checksum-type") != "xxhash2":
        return None
    try:
        return int(headers.get("ais-checksum-value", ""), 16)
    except ValueError:
        return None


class BodyReader:
    """Collects the body of a reply that is not a plain object: of any framing, and no more than wanted.

    Args:
        length: As `Head.length` tells.
        limit: Bytes that are kept; None: all.

    Attributes:
        done: Whether the body is complete.
        size: Bytes that have come so far.
    """

    def __init__(self, length: int, limit: int | None = None) -> None:
        self._length = length
        self._limit = limit
        self._parts: list[bytes] = []
        # Bytes still to come: of the body, or of the present chunk, its line end included.
        self._left = max(0, length)
        self._trailer = False
        self.done = length == 0
        self.size = 0

    @property
    def is_over(self) -> bool:
        """Whether more has come than is wanted."""
        return self._limit is not None and self.size > self._limit

    @property
    def body(self) -> bytes:
        """What has been collected."""
        return b"".join(self._parts)[: self._limit]

    def feed(self, data: bytes, pos: int) -> int:
        """Takes what belongs to the body from `data[pos:]` and returns where the rest begins.

        The rest is to be given again, with more behind it, while `done` is False.
        """
        if self._length == UNTIL_CLOSE:
            self._keep(data[pos:])
            return len(data)
        if self._length >= 0:
            part = data[pos : pos + self._left]
            self._keep(part)
            self._left -= len(part)
            self.done = not self._left
            return pos + len(part)
        while not self.done:
            if self._left:
                part = data[pos : pos + self._left]
                pos += len(part)
                self._keep_chunk(part)
                if self._left:
                    break
            else:
                end = data.find(b"\r\n", pos)
                if end < 0:
                    break
                self._take_line(data[pos:end])
                pos = end + 2
        return pos

    def close(self) -> bool:
        """Says that the connection has ended, and returns whether the body is complete by that."""
        return self._length == UNTIL_CLOSE

    def _keep(self, part: bytes) -> None:
        if not self.is_over:
            self._parts.append(part)
        self.size += len(part)

    def _keep_chunk(self, part: bytes) -> None:
        line_end = 2
        content = max(0, self._left - line_end)
        self._keep(part[:content])
        self._left -= len(part)

    def _take_line(self, line: bytes) -> None:
        if self._trailer:
            self.done = not line
            return
        digits = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(digits):
            raise MalformedReplyError(f"not the size of a chunk: {line[:40]!r}")
        size = int(digits, 16)
        if size:
            self._left = size + 2
        else:
            self._trailer = True
