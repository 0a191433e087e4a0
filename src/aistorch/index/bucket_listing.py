"""The objects of an SDK bucket, a page at a time, decoded without an SDK object being made of each.

The requests are the SDK's own, with its token, TLS settings and retries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError
from aistore.sdk.provider import Provider

from aistorch.index.endpoint import check_reachable, not_aistore, translate
from aistorch.index.entries import Page, TargetCodes, decode
from aistorch.index.object_index import ObjectIndex
from aistorch.index.read_ahead import ReadAhead

PROPERTIES = "name,size,checksum,location"
FIRST_PAGE = 1000
"""Objects on the first page: few, so that reading begins soon and a narrow prefix costs little."""
FULL_PAGE = 0
"""As many as the server gives at most."""


@dataclass(frozen=True, slots=True)
class NameRange:
    """What to ask a server for so that every object whose name begins with `wanted` is among the answers.

    AIStore takes a prefix that equals a directory for that directory, on each disk that has it (one left behind
    empty will do), and omits objects beside it: of `a.txt` and `a/b.txt` it may list only the second for the
    prefix `a`. So only a prefix that ends in "/" is asked for as it stands. Otherwise its parent is listed from
    just before the first wanted name until past the last, which a listing sorted by name makes possible.

    Attributes:
        wanted: The prefix wanted.
        prefix: The prefix to ask for.
        start_after: The name to begin after, empty for the first.
    """

    wanted: str
    prefix: str
    start_after: str = ""

    @classmethod
    def of(cls, bucket: Bucket, prefix: str) -> NameRange:
        """The range for a prefix in a bucket."""
        # Other providers have no directories, and no way to begin in the middle.
        if bucket.provider is not Provider.AIS or not prefix or prefix.endswith("/"):
            return cls(prefix, prefix)
        parent = prefix[: prefix.rfind("/") + 1]
        # A bucket of a remote cluster refuses it.
        remote = bucket.namespace is not None and bucket.namespace.uuid
        return cls(prefix, parent, "" if remote else _just_before(prefix))

    def ends_before(self, name: str) -> bool:
        """Whether all wanted names come before `name`, in the order of a listing of an ais bucket."""
        return self.prefix != self.wanted and name > self.wanted and not name.startswith(self.wanted)


def bucket_pages(bucket: Bucket, prefix: str, number: int) -> Iterator[ObjectIndex]:
    """The objects whose names begin with `prefix`, as selection `number`, the next page always on its way.

    Raises:
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    check_reachable(bucket.client)
    names, codes = NameRange.of(bucket, prefix), TargetCodes()
    page: Page | None = _ask(bucket, names)
    ahead: ReadAhead[Page] | None = None
    try:
        while page is not None:
            # A remote provider's page may have a token and no entries.
            entries, token = page["Entries"] or [], page["ContinuationToken"]
            more = token and not (entries and names.ends_before(entries[-1]["n"]))
            ahead = ReadAhead(partial(_ask, bucket, names, page["UUID"], token)) if more else None
            index = decode(entries, codes, names.wanted, number)
            if len(index):
                yield index
            page = ahead.result() if ahead else None
    finally:
        if ahead:
            ahead.close()


def _just_before(prefix: str) -> str:
    """A text that sorts before `prefix` with next to nothing in between."""
    before = ord(prefix[-1]) - 1
    if before < 0 or 0xD800 <= before <= 0xDFFF:  # no character has that number
        return prefix[:-1]
    return f"{prefix[:-1]}{chr(before)}\U0010ffff"


def _ask(bucket: Bucket, names: NameRange, uuid: str = "", token: str = "") -> Page:
    value = {
        "prefix": names.prefix,
        "pagesize": FULL_PAGE if token else FIRST_PAGE,
        "uuid": uuid,
        "continuation_token": token,
        "props": PROPERTIES,
        "flags": "0",
    }
    if names.start_after and not token:
        value["start_after"] = names.start_after
    try:
        page = bucket.client.request_deserialize(
            "get",
            path=f"buckets/{bucket.name}",
            res_model=dict,
            headers={"Accept": "application/msgpack"},
            json={"action": "list", "name": "", "value": value},
            params=bucket.qparam,
        )
    except (AISError, requests.RequestException) as error:
        raise translate(error, bucket) from error
    except ValueError as error:
        raise not_aistore(bucket) from error
    if "Entries" not in page:
        raise not_aistore(bucket)
    return cast(Page, page)
