"""What an archive holds, as the server tells it without sending the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aistore.sdk import Bucket

from aistorch.index.list_request import ask

_OPEN_ARCHIVES = 1 << 3
# Suffixes of the archives that AIStore opens in a listing; it goes by the name, not by the content.
LISTED_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.lz4", ".zip")


class ArchivedFile(NamedTuple):
    """A regular file of an archive: its name in it, and its bytes."""

    name: str
    size: int


def archived_files(bucket: Bucket, archive: str) -> Iterator[ArchivedFile]:
    """The files of an archive, sorted by name; none where it is no archive or has none.

    Names are cleaned by the server: `./a` is listed as `a`.

    Raises:
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    inside = f"{archive}/"
    token = uuid = ""
    while True:
        page = ask(bucket, archive, token=token, uuid=uuid, properties="name,size", flags=_OPEN_ARCHIVES)
        for entry in page.entries:
            if entry["n"].startswith(inside):
                yield ArchivedFile(entry["n"][len(inside) :], entry.get("s", 0))
        token, uuid = page.token, page.uuid
        # Other archives whose names begin alike are listed behind it.
        if not token or token > f"{inside}\U0010ffff":
            return
