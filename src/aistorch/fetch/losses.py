"""Why a connection is given up: it ended, or what came on it cannot be what was asked for."""

from __future__ import annotations


class ConnectionLostError(Exception):
    """The connection ended or broke while a reply was due. The text says how; `started` whether the reply had begun."""

    def __init__(self, cause: str, started: bool) -> None:
        super().__init__(cause)
        self.started = started


class WrongReplyError(ConnectionLostError):
    """The reply that was due cannot be the one to the request; what comes behind it is not believed either."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, started=True)


class ObjectChangedError(WrongReplyError):
    """The rest of an object was asked for and belongs to another version of it; the connection is of no more use."""


class NotAsListedError(WrongReplyError):
    """The reply is of another object, or of another version of it than was listed.

    Attributes:
        length: Bytes of the whole object that came.
        checksum: Its xxh64, as far as that is known.
    """

    def __init__(self, cause: str, length: int, checksum: int | None) -> None:
        super().__init__(cause)
        self.length, self.checksum = length, checksum
