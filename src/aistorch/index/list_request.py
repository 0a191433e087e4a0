"""One page of a bucket's listing, asked for with the SDK's own token, TLS settings and retries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError

from aistorch.index.endpoint import not_aistore, shown_cause, translate
from aistorch.index.pause import Pause, is_passing
from aistorch.index.token import usable_token

PROPERTIES = "name,size,checksum,location"
NAME_ONLY = "name"
NOT_RECURSIVE = 1 << 11
PAGE_SIZE = 0
"""As many objects a page as the server gives at most, which for AIStore's own buckets is 10,000.

Smaller pages would not only be slower: names of more than 255 bytes are stored under a hash, so that a target lists
them out of order, and the server loses some where one page ends and the next begins (and all where there is a prefix).
"""

STRAIGHT = {"no_proxy": "*"}
"""What keeps `requests` from the HTTP proxies of the environment: objects are read without them, too."""

Entry = dict[str, Any]
"""An object on the wire: name `n`; size `s`, checksum `cs`, location `t` and flags `f` unless empty."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing.

    Attributes:
        entries: Sorted by the bytes of their names.
        token: The last name, where the listing may go on after it, else empty.
        uuid: Stands for the listing under way at the server.
    """

    entries: list[Entry]
    token: str
    uuid: str


def ask(
    bucket: Bucket,
    prefix: str,
    *,
    token: str = "",
    uuid: str = "",
    properties: str = PROPERTIES,
    flags: int = 0,
    size: int | None = None,
) -> Page:
    """The names after `token` that begin with `prefix`.

    With the `uuid` of the page before, the server goes on from there; without one it lists anew. While a target does
    not answer, the proxy refuses to list: it is asked again, as `RetryPolicy` says by default.

    Raises:
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    value = {
        "prefix": prefix,
        "pagesize": PAGE_SIZE if size is None else size,
        "uuid": uuid,
        "continuation_token": token,
        "props": properties,
        "flags": str(flags),
    }
    usable_token(bucket.client)
    pause = Pause(bucket)
    while True:
        try:
            return _ask_once(bucket, value)
        except AISError as error:
            ours = translate(error, bucket)
            if not (is_passing(error) and pause.take(ours)):
                raise ours from shown_cause(error, bucket)
        except requests.RequestException as error:
            raise translate(error, bucket) from shown_cause(error, bucket)
        except (ValueError, KeyError, TypeError) as error:
            raise not_aistore(bucket) from error


def _ask_once(bucket: Bucket, value: dict[str, Any]) -> Page:
    answer = bucket.client.request_deserialize(
        "get",
        path=f"buckets/{bucket.name}",
        res_model=dict,
        headers={"Accept": "application/msgpack"},
        json={"action": "list", "name": "", "value": value},
        params=bucket.qparam,
        proxies=STRAIGHT,
    )
    return Page(answer["Entries"] or [], answer["ContinuationToken"], answer["UUID"])
