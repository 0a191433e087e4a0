"""A large object's memory, filled by one reply or by several ranges, and going on where a connection broke."""

from __future__ import annotations

from aistorch.fetch.buffers import new_body


class Body:
    """The bytes of one large object on their way in.

    Attributes:
        size: How many there are to be.
        content: They themselves; to be handed out when `missing` is 0, not before.
        missing: How many are still to come.
        checksum: xxh64 of the whole, as the first reply announced it.
        stale: Whether the object has turned out to be another one than was asked for: what still arrives is dropped.
    """

    __slots__ = ("_view", "checksum", "content", "missing", "size", "stale")

    def __init__(self, size: int) -> None:
        self.size = size
        self.content, self._view = new_body(size)
        self.missing = size
        self.checksum: int | None = None
        self.stale = False

    def view(self, start: int, stop: int) -> memoryview:
        """The memory of bytes `start` to `stop` (not included)."""
        return self._view[start:stop]


class Part:
    """A range of a body that one request brings.

    Attributes:
        body: What it is part of.
        start: Its first byte.
        stop: Where it ends.
        at: The next byte to come; what lies before has arrived, on this connection or an earlier one.
    """

    __slots__ = ("at", "body", "start", "stop")

    def __init__(self, body: Body, start: int, stop: int) -> None:
        self.body = body
        self.start = self.at = start
        self.stop = stop

    @property
    def is_whole(self) -> bool:
        """Whether a plain GET brings it."""
        return self.at == 0 and self.stop == self.body.size

    @property
    def room(self) -> memoryview:
        """The memory that is still to be filled."""
        return self.body.view(self.at, self.stop)

    def fill(self, data: bytes) -> None:
        """Adds bytes that came along with the head."""
        self.body.view(self.at, self.at + len(data))[:] = data
        self.advance(len(data))

    def advance(self, count: int) -> None:
        """Notes that so many bytes have been received into `room`."""
        self.at += count
        self.body.missing -= count

    def restart(self) -> None:
        """Forgets what has arrived."""
        self.body.missing += self.at - self.start
        self.at = self.start
