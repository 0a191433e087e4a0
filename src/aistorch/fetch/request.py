"""One object to be read, or a range of it."""

from __future__ import annotations

from aistorch.fetch.body import Body, Part
from aistorch.fetch.reply import Version
from aistorch.fetch.trouble import Trouble

UNKNOWN_SIZE = -1
VERSION = b" HTTP/1.1"
# Bytes, beyond those listed, that a reply may have in any case; an object may have been overwritten since.
MARGIN = 64 << 20


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
        checksum: xxh64 of the whole object as it was listed; 0 where that is unknown.
        part: Where the bytes of a large object go; None as long as it is not known to be one.
        trouble: What went wrong so far; None on the fast path.
        version: What the reply announced to tell this version of the object from others; of a part, its body knows.
        alone: Whether it wants a new connection, on which nothing else is under way.
    """

    __slots__ = (
        "alone",
        "bucket",
        "checksum",
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
        checksum: int = 0,
    ) -> None:
        self.position = position
        self.line = line
        self.size = size
        self.expected = expected
        self.target = target
        self.name = name
        self.bucket = bucket
        self.checksum = checksum
        self.part: Part | None = None
        self.trouble: Trouble | None = None
        self.version: Version = None
        self.alone = False

    @property
    def url(self) -> str:
        """The object as `provider://bucket/name`."""
        return self.bucket + self.name

    @property
    def ceiling(self) -> int | None:
        """The most bytes that a reply may have; None where nobody told the size."""
        return None if self.size < 0 else self.size + max(self.size, MARGIN)

    @property
    def is_derived(self) -> bool:
        """Whether something is made of the object, by an ETL or by opening an archive, with other headers."""
        line = self.line if self.trouble is None else self.trouble.line
        return b"etl_name=" in line or b"archpath=" in line

    @property
    def whole_size(self) -> int:
        """Bytes of the whole object as listed; `UNKNOWN_SIZE` where nobody told."""
        return self.size if self.part is None else self.part.body.size

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
        piece = Request(self.position, b"", size, self.target, self.name, self.bucket, checksum=self.checksum)
        piece.part = part
        piece.aim(self.aimed_at)
        return piece
