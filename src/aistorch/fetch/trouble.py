"""What went wrong with a request so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from aistorch.errors import ReadError
from aistorch.fetch.address import Address


@dataclass(slots=True)
class Trouble:
    """The history of a request that left the fast path.

    Attributes:
        line: The request line for the proxy; `request.line` may be that of a redirect.
        began: Monotonic time when trouble began, or when much of a large object came last.
        attempts: Requests that failed.
        waits: Of these, those that found the object missing while it may come back.
        redirects: Followed since the last failure.
        causes: What went wrong, oldest first.
        status: The last HTTP status.
        asked: The node that the request is on its way to.
        elsewhere: A target that does not hold it and was asked all the same.
        asked_at: Monotonic time when it was sent there, or when trouble began.
        arrived: Byte up to which a large object had come when attempts were last counted from 0.
        odd: Size, checksum and the node of the last reply that was not of the object as it was listed.
        kind: The error to raise in the end.
        hint: What it advises, where that is not plain from the kind.
    """

    line: bytes
    began: float = field(default_factory=time.monotonic)
    attempts: int = 0
    waits: int = 0
    redirects: int = 0
    causes: list[str] = field(default_factory=list)
    status: int = 0
    asked: Address | None = None
    elsewhere: Address | None = None
    asked_at: float = field(default_factory=time.monotonic)
    odd: tuple[int, int | None, Address] | None = None
    arrived: int = 0
    kind: type[ReadError] = ReadError
    hint: str = ""

    @property
    def etl(self) -> str:
        """The ETL that the object goes through; empty without one."""
        query = parse_qs(self.line.partition(b"?")[2].decode())
        return query.get("etl_name", [""])[0]
