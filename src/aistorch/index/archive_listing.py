"""What an archive holds, as the server tells it without sending the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aistore.sdk import Bucket

from aistorch.errors import ShardError
from aistorch.index.list_request import Entry, ask
from aistorch.sources.resolve import describe

_OPEN_ARCHIVES = 1 << 3
# Flag of what was uploaded in parts, and of the files that are listed in it. AIStore 5.0 opens the first part alone: it
# lists some of the files, or none.
_IN_PARTS = 1 << 13
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
        ShardError: It was uploaded in parts, so that the server cannot list it.
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    skip = len(archive) + 1
    for entries in _pages(bucket, archive):
        yield from (ArchivedFile(entry["n"][skip:], entry.get("s", 0)) for entry in entries)


def archived_names(bucket: Bucket, archive: str) -> list[str]:
    """The names of these files; see `archived_files`. None of a TAR that the server cannot list."""
    skip = len(archive) + 1
    try:
        return [entry["n"][skip:] for entries in _pages(bucket, archive) for entry in entries]
    except ShardError:
        if archive.endswith(".zip"):  # which nobody but the server reads
            raise
        return []


def _pages(bucket: Bucket, archive: str) -> Iterator[list[Entry]]:
    inside = f"{archive}/"
    token = uuid = ""
    while True:
        page = ask(bucket, archive, token=token, uuid=uuid, properties=_PROPERTIES, flags=_OPEN_ARCHIVES)
        if any(f"{entry['n']}/".startswith(inside) and entry.get("f", 0) & _IN_PARTS for entry in page.entries):
            problem = "it was uploaded in parts, of which AIStore lists only one; upload it by one PUT, or as TAR"
            raise ShardError(f"{describe(bucket)}/{archive}", problem=problem)
        yield [entry for entry in page.entries if entry["n"].startswith(inside)]
        token, uuid = page.token, page.uuid
        # Other archives whose names begin alike are listed behind it.
        if not token or token > f"{inside}\U0010ffff":
            return
