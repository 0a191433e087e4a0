"""Whether a reply is the one to its request: held against what was listed.

The object may have been overwritten since. But an interim or a doubled reply shifts all that come behind it on a
connection, and then each fits its own checksum. So another size or checksum than listed is believed when it comes once
more, on a new connection on which there was nothing else, and never if it is that of another object of the listing.
"""

from __future__ import annotations

from typing import Protocol

import xxhash

from aistorch.errors import AIStorchError
from aistorch.fetch.address import Address
from aistorch.fetch.body import Content
from aistorch.fetch.losses import NotAsListedError, WrongReplyError
from aistorch.fetch.recovery import Recovery
from aistorch.fetch.request import UNKNOWN_SIZE, Request

# So many objects that are others than listed show that most are: then requests go one by one, since all that is behind
# such a one in a pipeline is asked for again.
_MANY = 4
# Contents of fewer bytes (a label, a count) are those of many objects, and so tell nothing of whose they are.
_TELLING = 64


class Results(Protocol):
    """Who takes what was read."""

    def put(self, request: Request, result: Content | AIStorchError) -> None:
        """Takes the body of an object, or why there is none."""

    def owner(self, checksum: int, size: int, besides: Request) -> Request | None:
        """Another request of which the listing tells this checksum and this size."""


class Checks:
    """Each method returns if the reply may be handed out, and raises `WrongReplyError` if not.

    Args:
        recovery: Remembers what has come before.
        results: Knows the requests under way.
    """

    def __init__(self, recovery: Recovery, results: Results) -> None:
        self._recovery = recovery
        self._results = results
        self._differing = 0

    @property
    def many_differ(self) -> bool:
        """Whether the listing is out of date for more than a few objects."""
        return self._differing >= _MANY

    def announced(self, request: Request, length: int, checksum: int | None) -> None:
        """The head of a reply with a large object, or with part of one."""
        if request.part is not None:
            # With a part comes the checksum of the whole or that of the part, as the bucket is set: it tells nothing
            # here, unless it is that of another object.
            if checksum is not None and request.checksum not in (0, checksum):
                self._refuse_another(request, length, checksum)
            return
        if request.ceiling is not None and length > request.ceiling:
            raise WrongReplyError(f"{length} bytes were announced where {request.size} were listed")
        if checksum is not None and checksum != request.checksum:
            self.differing(request, length, checksum)

    def unchecked(self, address: Address, request: Request, body: Content) -> None:
        """A body without a checksum: where one was listed, it must be that, or have come from another node, too."""
        if request.checksum:
            found = digest_of(request, body)
            if found != request.checksum and not self._recovery.confirms(request, len(body), found, besides=address):
                cause = f"{len(body)} bytes without a checksum, which are not those listed"
                raise NotAsListedError(cause, len(body), found)
        elif len(body) != request.size >= 0 and not self._recovery.confirms(request, len(body), None):
            cause = f"{len(body)} bytes without a checksum where {request.size} were listed"
            raise NotAsListedError(cause, len(body), None)

    def differing(self, request: Request, length: int, checksum: int) -> None:
        """A body, or the head before it, with another checksum than listed."""
        if not request.checksum and request.whole_size in (UNKNOWN_SIZE, length):
            return
        if not self._recovery.confirms(request, length, checksum):
            raise NotAsListedError(
                f"{length} bytes came that are not the {request.whole_size} listed", length, checksum
            )
        self._refuse_another(request, length, checksum)
        self._differing += 1

    def _refuse_another(self, request: Request, length: int, checksum: int) -> None:
        other = self._results.owner(checksum, length, request) if length >= _TELLING else None
        if other is not None:
            raise NotAsListedError(f"the bytes of {other.url} came", length, checksum)


def digest_of(request: Request, body: Content) -> int:
    """The xxh64 of a body, which may have been computed while it came."""
    part = request.part
    return xxhash.xxh64_intdigest(body) if part is None or part.digest is None else part.digest.intdigest()
