"""The objects of an SDK bucket, decoded without an SDK object being made of each."""

from __future__ import annotations

from collections.abc import Iterator

from aistore.sdk import Bucket
from aistore.sdk.provider import Provider

from aistorch.index.endpoint import check_reachable
from aistorch.index.entries import TargetCodes, decode
from aistorch.index.list_request import Entry, ask
from aistorch.index.object_index import ObjectIndex
from aistorch.index.read_ahead import read_ahead
from aistorch.index.sorted_listing import having_prefix, is_whole_folder, sorted_entries

EARLY = 1_000
"""Objects on a first page that is there early, so that reading begins while the server makes a full one."""


def bucket_pages(bucket: Bucket, prefix: str, number: int) -> Iterator[ObjectIndex]:
    """The objects whose names begin with `prefix`, as selection `number`, the next page always on its way.

    Raises:
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    check_reachable(bucket.client)
    codes = TargetCodes()
    # Other providers have no folders: theirs is the order of names.
    list_entries = _early_entries if bucket.provider is Provider.AIS else _remote_entries
    for entries in read_ahead(list_entries(bucket, prefix)):
        index = decode(entries, codes, number)
        if len(index):
            yield index


def _early_entries(bucket: Bucket, prefix: str) -> Iterator[list[Entry]]:
    """A short page first, then full ones with all that it had not.

    The short page alone cannot be relied on where it ends (`sorted_listing`), so its objects are listed twice.
    """
    if not is_whole_folder(prefix):
        yield from sorted_entries(bucket, prefix)
        return
    early = ask(bucket, prefix, size=EARLY)
    yield early.entries
    if early.token:
        seen = {entry["n"] for entry in early.entries}
        for entries in sorted_entries(bucket, prefix):
            yield [entry for entry in entries if entry["n"] not in seen]


def _remote_entries(bucket: Bucket, prefix: str) -> Iterator[list[Entry]]:
    page = ask(bucket, prefix)
    yield having_prefix(page.entries, prefix)
    # A page may have a token and no entries, and others than were asked for: a star at a prefix's end is dropped.
    while page.token:
        page = ask(bucket, prefix, token=page.token, uuid=page.uuid)
        yield having_prefix(page.entries, prefix)
