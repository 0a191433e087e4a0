"""What the server answers when it refuses: one exception per situation, with AIStore's status, `tcode` and wording.

The SDK chooses its exception class by the first `provider://bucket[/object]` in the body, so the texts matter: a bucket
is quoted on its own, an object is spelled out with its bucket.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aistorch.errors import AIStorchError

if TYPE_CHECKING:
    from aistorch.server.names import BucketKey

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of a disk that takes no more: it is full, or this user's share is, or the file is too large."""


class HTTPError(AIStorchError):
    """A request that is answered with an error status.

    Args:
        status: The HTTP status, 400 or above.
        message: What was wrong, for the body.
        tcode: AIStore's name for the kind of error; empty where AIStore gives none.
        headers: More response headers.
    """

    def __init__(self, status: int, message: str, tcode: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.tcode, self.headers = status, message, tcode, dict(headers or {})

    def body(self, *, method: str, path: str, remote: str, node: str) -> bytes:
        """The JSON error object, keys in AIStore's order, ended by a newline."""
        fields = {
            "message": self.message,
            "method": method,
            "url_path": path,
            "remote_addr": remote,
            "caller": "",
            "node": node,
            "status": self.status,
        }
        if self.tcode:
            fields = {"tcode": self.tcode, **fields}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(errors="replace") + b"\n"


class BadRequest(HTTPError):
    """The request makes no sense (400)."""

    def __init__(self, message: str, tcode: str = "") -> None:
        super().__init__(400, message, tcode)


class InvalidName(BadRequest):
    """A bucket or object name that cannot be stored (400)."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        shown = name if len(name) <= 80 else name[:80] + "..."
        super().__init__(f"invalid {what} {shown!r}: {reason}")


class BucketMissing(HTTPError):
    """The bucket does not exist (404)."""

    def __init__(self, key: BucketKey) -> None:
        tcode = "ErrBckNotFound" if key.provider == "ais" else "ErrRemoteBckNotFound"
        super().__init__(404, f'bucket "{key.cname()}" does not exist', tcode)


class BucketExists(HTTPError):
    """The bucket exists already (409)."""

    def __init__(self, key: BucketKey) -> None:
        super().__init__(409, f'bucket "{key.cname()}" already exists', "ErrBucketAlreadyExists")


class ObjectMissing(HTTPError):
    """The object does not exist, or does not live on the target that was asked (404)."""

    def __init__(self, key: BucketKey, name: str, node: str = "") -> None:
        where = f"t[{node}]: " if node else ""
        super().__init__(404, f"{where}{key.cname(name)} does not exist", "ErrNotFound")


class RangeNotSatisfiable(HTTPError):
    """The byte range lies outside the object, or is not understood (416)."""

    def __init__(self, message: str, size: int | None = None, tcode: str = "ErrRangeNotSatisfiable") -> None:
        headers = {} if size is None else {"Content-Range": f"bytes */{size}"}
        super().__init__(416, message, tcode, headers)


class BadChecksum(HTTPError):
    """The body of a PUT does not have the checksum that the client announced (500, as AIStore answers)."""

    def __init__(self, cname: str, announced: str, computed: str) -> None:
        super().__init__(
            500,
            f"BAD DATA CHECKSUM: {cname}: the client announced {announced}, the body has {computed}",
            "ErrBadCksum",
        )


class DiskFull(HTTPError):
    """What was sent cannot be kept (507); nothing is left of it."""

    def __init__(self, error: OSError) -> None:
        super().__init__(507, f"the disk of the embedded server takes no more ({error.strerror}): nothing was stored")


class MethodNotAllowed(HTTPError):
    """The path exists, but not for this verb (405)."""

    def __init__(self, allowed: str) -> None:
        super().__init__(405, "Method Not Allowed", headers={"Allow": allowed})
