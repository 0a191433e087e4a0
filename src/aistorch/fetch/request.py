"""One object to be read."""

from __future__ import annotations

from typing import Any

UNKNOWN_SIZE = -1


class Request:
    """A GET of one object, until its bytes are there.

    Attributes:
        position: Which result this is, counted from 0 in the stream that it belongs to.
        line: `GET <path>?<query>`, percent-encoded, for the target and (but for the prefix of the path) the proxy.
        size: Bytes as listed; `UNKNOWN_SIZE` where nobody told.
        target: Daemon id of the target that should hold it; None: ask the proxy.
        name: The object's name.
        bucket: `provider://bucket/`, for error texts.
        trouble: What went wrong so far; None on the fast path.
    """

    __slots__ = ("bucket", "line", "name", "position", "size", "target", "trouble")

    def __init__(self, position: int, line: bytes, size: int, target: str | None, name: str, bucket: str) -> None:
        self.position = position
        self.line = line
        self.size = size
        self.target = target
        self.name = name
        self.bucket = bucket
        self.trouble: Any = None

    @property
    def url(self) -> str:
        """The object as `provider://bucket/name`."""
        return self.bucket + self.name
