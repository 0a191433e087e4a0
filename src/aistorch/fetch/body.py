"""Memory for a large object or a range of one, filled by one reply or several, or by what comes after a break."""

from __future__ import annotations

import xxhash

from aistorch.fetch.buffers import new_body
from aistorch.fetch.reply import Version

Content = bytes | memoryview
"""What was read: `bytes`, but a view of the caller's memory where the caller asked for that."""


class Body:
    """The bytes of one large object, or of a range of it, on their way in.

    Attributes:
        size: Bytes of the object.
        origin: Which of them is the first here.
        content: They themselves; to be handed out when `missing` is 0, not before. In the caller's memory where that
            was given.
        missing: How many are still to come.
        checksum: xxh64 of the object, as the first reply announced it.
        version: What tells this version of the object from others, as the first reply announced it.
        stale: Whether the object has turned out to be another one than was asked for: what still arrives is dropped.
    """

    __slots__ = ("_view", "checksum", "content", "missing", "origin", "size", "stale", "version")

    def __init__(self, size: int, origin: int = 0, stop: int | None = None, memory: memoryview | None = None) -> None:
        self.size = size
        self.origin = origin
        self.missing = (size if stop is None else stop) - origin
        self.content: Content
        if memory is None:
            self.content, self._view = new_body(self.missing)
        else:
            self.content = self._view = memory[: self.missing]
        self.checksum: int | None = None
        self.version: Version = None
        self.stale = False

    @property
    def is_range(self) -> bool:
        """Whether it holds only some of the object's bytes."""
        return len(self.content) < self.size

    def view(self, start: int, stop: int) -> memoryview:
        """The memory of the object's bytes `start` to `stop` (not included)."""
        return self._view[start - self.origin : stop - self.origin]


class Part:
    """A range of a body that one request brings.

    Attributes:
        body: What it is part of.
        start: Its first byte.
        stop: Where it ends.
        at: The next byte to come; what lies before has arrived, on this connection or an earlier one.
        digest: Of what has arrived, where this is the whole object and its checksum is wanted: bytes are hashed in half
            the time when they have just been received.
    """

    __slots__ = ("at", "body", "digest", "start", "stop")

    def __init__(self, body: Body, start: int, stop: int) -> None:
        self.body = body
        self.start = self.at = start
        self.stop = stop
        self.digest: xxhash.xxh64 | None = None

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
        if self.digest is not None:
            self.digest.update(self.body.view(self.at, self.at + count))
        self.at += count
        self.body.missing -= count

    def restart(self) -> None:
        """Forgets what has arrived."""
        self.body.missing += self.at - self.start
        self.at = self.start
        if self.digest is not None:
            self.digest.reset()
