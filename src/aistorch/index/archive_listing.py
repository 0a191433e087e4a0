"""What an archive holds, as the server tells it without sending the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aistore.sdk import Bucket

from aistorch.index.list_request import Entry, ask

_OPEN_ARCHIVES = 1 << 3
# Names alone take the server twice as long.
_PROPERTIES = "name,size"
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
    skip = len(archive) + 1
    for entries in _pages(bucket, archive):
        yield from (ArchivedFile(entry["n"][skip:], entry.get("s", 0)) for entry in entries)


def archived_names(bucket: Bucket, archive: str) -> list[str]:
    """The names of these files; see `archived_files`."""
    skip = len(archive) + 1
    return [entry["n"][skip:] for entries in _pages(bucket, archive) for entry in entries]


def _pages(bucket: Bucket, archive: str) -> Iterator[list[Entry]]:
    inside = f"{archive}/"
    token = uuid = ""
    while True:
        page = ask(bucket, archive, token=token, uuid=uuid, properties=_PROPERTIES, flags=_OPEN_ARCHIVES)
        yield [entry for entry in page.entries if entry["n"].startswith(inside)]
        token, uuid = page.token, page.uuid
        # Other archives whose names begin alike are listed behind it.
        if not token or token > f"{inside}\U0010ffff":
            return
