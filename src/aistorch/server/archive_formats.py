"""Which archive formats the embedded server reads and writes, and how one is recognised."""

from __future__ import annotations

import importlib
from enum import Enum
from typing import Any

from aistorch.server.http_errors import HTTPError

MAGIC_BYTES = 512
"""How many leading bytes of a file are enough to recognise its format."""


class ArchiveError(HTTPError):
    """An archive cannot be used as asked."""


class NotAnArchiveError(ArchiveError):
    """The object is no archive, or a damaged one (400)."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message, "errUnknownFileExt")


class UnknownFormatError(ArchiveError):
    """A format was asked for that no archive has (400)."""

    def __init__(self, mime: str) -> None:
        known = ", ".join(extension for extension, _ in _SPELLINGS)
        super().__init__(400, f"unknown archive format {mime!r}: use one of {known}", "errUnknownMime")


class InvalidMemberName(ArchiveError):
    """A name that no member may be asked for by: `.` or `..` in it, a trailing `/`, a leading `~/` (400)."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(400, f"invalid archived name {name!r}: {reason}")


class MemberMissing(ArchiveError):
    """The archive has no such member (404)."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(404, f"{what} in {name} does not exist", "ErrNotFound")


class UnavailableFormatError(ArchiveError):
    """A format that needs a package which is not installed (501)."""

    def __init__(self) -> None:
        super().__init__(501, ".tar.lz4 needs the package 'lz4' on the server: pip install lz4", "ErrUnsupp")


class ArchiveFormat(Enum):
    """A format; the value is its canonical file extension."""

    TAR = ".tar"
    TGZ = ".tgz"
    ZIP = ".zip"
    TAR_LZ4 = ".tar.lz4"

    @property
    def content_type(self) -> str:
        """The media type that AIStore announces for archives of this format."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {
    ArchiveFormat.TAR: "application/x-tar",
    ArchiveFormat.TGZ: "application/gzip",
    ArchiveFormat.ZIP: "application/zip",
    ArchiveFormat.TAR_LZ4: "application/x-lz4",
}

# Longer spellings first: ".tar.gz" contains ".tar".
_SPELLINGS = (
    (".tar.gz", ArchiveFormat.TGZ),
    (".tar.lz4", ArchiveFormat.TAR_LZ4),
    (".tgz", ArchiveFormat.TGZ),
    (".tar", ArchiveFormat.TAR),
    (".zip", ArchiveFormat.ZIP),
)

_MAGIC = (
    (257, b"ustar", ArchiveFormat.TAR),
    (0, b"\x1f\x8b", ArchiveFormat.TGZ),
    (0, b"PK", ArchiveFormat.ZIP),
    (0, b"\x04\x22\x4d\x18", ArchiveFormat.TAR_LZ4),
)


def format_of_mime(mime: str) -> ArchiveFormat:
    """The format that a `mime` parameter means: an extension or a media type, matched by substring.

    Raises:
        UnknownFormatError: It names no format.
    """
    for extension, form in _SPELLINGS:
        if extension[1:] in mime:
            return form
    raise UnknownFormatError(mime)


def format_of_name(name: str) -> ArchiveFormat | None:
    """The format that a file name's extension announces, None where it announces none."""
    return next((form for extension, form in _SPELLINGS if name.endswith(extension)), None)


def format_of_content(head: bytes) -> ArchiveFormat | None:
    """The format that the first `MAGIC_BYTES` bytes of a file show, None where they show none."""
    return next((form for at, magic, form in _MAGIC if head[at : at + len(magic)] == magic), None)


def detect_format(name: str, head: bytes, mime: str = "") -> ArchiveFormat:
    """The format of an object: as `mime` says, else by its name, else by its first bytes.

    Raises:
        UnknownFormatError: `mime` names no format.
        NotAnArchiveError: Nothing shows that this is an archive.
    """
    if mime:
        return format_of_mime(mime)
    form = format_of_name(name) or format_of_content(head)
    if form is None:
        raise NotAnArchiveError(f"{name} is not an archive: neither its extension nor its content is of a known one")
    return form


def import_lz4() -> Any:
    """The package `lz4.frame`.

    Raises:
        UnavailableFormatError: It is not installed.
    """
    try:
        return importlib.import_module("lz4.frame")
    except ImportError as error:
        raise UnavailableFormatError from error
