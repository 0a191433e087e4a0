"""One object to be read, or a range of it."""

from __future__ import annotations

from aistorch.fetch.body import Body, Part
from aistorch.fetch.reply import Version
from aistorch.fetch.trouble import Trouble

UNKNOWN_SIZE = -1
VERSION = b" HTTP/1.1"


class Request:
    """A GET, until its bytes are there.

    Attributes:
        position: Which result this is, counted from 0 in the stream that it belongs to.
        line: `GET <path>?<query> HTTP/1.1`, percent-encoded, and a `Range` header where only a part is wanted.
        size: Bytes it brings, as listed; `UNKNOWN_SIZE` where nobody told.
        expected: Bytes that the budget takes it for, where the size is unknown: those of what an ETL is given, and in
            the end those that came; `UNKNOWN_SIZE` where nobody told that either.
        target: Daemon id of the target that should hold it; None: ask the proxy.
        name: The object's name.
        bucket: `provider://bucket/`, for error texts.
        part: Where the bytes of a large object go; None as long as it is not known to be one.
        trouble: What went wrong so far; None on the fast path.
        version: What the reply announced to tell this version of the object from others; of a part, its body knows.
        alone: Whether nothing else may be under way on its connection.
    """

    __slots__ = (
        "alone",
        "bucket",
        "expected",
        "line",
        "name",
        "part",
        "position",
        "size",
        "target",
        "trouble",
        "version",
    )

    def __init__(
        self,
        position: int,
        line: bytes,
        size: int,
        target: str | None,
        name: str,
        bucket: str,
        expected: int = UNKNOWN_SIZE,
    ) -> None:
        self.position = position
        self.line = line
        self.size = size
        self.expected = expected
        self.target = target
        self.name = name
        self.bucket = bucket
        self.part: Part | None = None
        self.trouble: Trouble | None = None
        self.version: Version = None
        self.alone = False

    @property
    def url(self) -> str:
        """The object as `provider://bucket/name`."""
        return self.bucket + self.name

    def aim(self, line: bytes) -> None:
        """Sets the request line, `GET <path>?<query>`, and asks for what is missing of the part, if there is one."""
        part = self.part
        wanted = b"" if part is None or part.is_whole else b"\r\nRange: bytes=%d-%d" % (part.at, part.stop - 1)
        self.line = line + VERSION + wanted

    @property
    def aimed_at(self) -> bytes:
        """The request line without version and range."""
        return self.line.partition(VERSION)[0]

    def split(self, size: int) -> list[Request]:
        """Requests for ranges of at most `size` bytes, into one body."""
        body = Body(self.size)
        bounds = ((start, min(start + size, self.size)) for start in range(0, self.size, size))
        return [self._piece(self.size, Part(body, start, stop)) for start, stop in bounds]

    def slice(self, start: int, stop: int, memory: memoryview | None = None) -> Request:
        """A request for bytes `start` to `stop` (not included) alone; into this memory, where it is given."""
        return self._piece(stop - start, Part(Body(self.size, start, stop, memory), start, stop))

    def _piece(self, size: int, part: Part) -> Request:
        piece = Request(self.position, b"", size, self.target, self.name, self.bucket)
        piece.part = part
        piece.aim(self.aimed_at)
        return piece
