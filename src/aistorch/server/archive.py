"""Reading archives that are stored as objects: their members, and the bytes of one of them.

Members are regular files; directories and links are passed over. The rules of looking one up are those of
AIStore's `archpath` parameter: a leading `/` does not count, and of several with one name the first is meant.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, NamedTuple, cast

from aistorch.server.archive_formats import (
    MAGIC_BYTES,
    ArchiveFormat,
    InvalidMemberName,
    MemberMissing,
    NotAnArchiveError,
    detect_format,
    format_of_name,
    import_lz4,
)

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError)


class Member(NamedTuple):
    """A file inside an archive.

    Attributes:
        name: The name as stored.
        size: Its length in bytes, unpacked.
        entry: What the archive's own reader needs to find it again.
    """

    name: str
    size: int
    entry: Any


class Archive(ABC):
    """An open archive."""

    @abstractmethod
    def __iter__(self) -> Iterator[Member]:
        """The members in stored order, duplicates included."""

    @abstractmethod
    def open(self, member: Member) -> IO[bytes]:
        """The bytes of a member. While iterating, opening the current member costs no second pass."""

    @abstractmethod
    def close(self) -> None:
        """Frees what reading needed; the underlying file stays open."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _TarArchive(Archive):
    def __init__(self, file: IO[bytes], mode: str) -> None:
        self._tar: tarfile.TarFile = tarfile.open(fileobj=file, mode=mode)  # type: ignore[call-overload] # noqa: SIM115

    def __iter__(self) -> Iterator[Member]:
        return (Member(info.name, info.size, info) for info in self._tar if info.isreg())

    def open(self, member: Member) -> IO[bytes]:
        return cast("IO[bytes]", self._tar.extractfile(member.entry))

    def close(self) -> None:
        self._tar.close()


class _ZipArchive(Archive):
    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file)

    def __iter__(self) -> Iterator[Member]:
        return (Member(i.filename, i.file_size, i) for i in self._zip.infolist() if not i.is_dir())

    def open(self, member: Member) -> IO[bytes]:
        return self._zip.open(member.entry)

    def close(self) -> None:
        self._zip.close()


@contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turns what the readers of the standard library raise on damaged archives into `NotAnArchiveError`."""
    try:
        yield
    except _DAMAGE as error:
        raise NotAnArchiveError(f"{name} cannot be read as an archive: {error}") from error


def format_of_file(file: IO[bytes], name: str, mime: str = "") -> ArchiveFormat:
    """The format of the archive in a file; arguments and errors as of `open_archive`."""
    file.seek(0)
    form = detect_format(name, file.read(MAGIC_BYTES), mime)
    file.seek(0)
    return form


def open_archive(file: IO[bytes], name: str, mime: str = "") -> Archive:
    """Opens the archive that an object is.

    Args:
        file: Holds the object and nothing else, can seek, stays open.
        name: Of the object, for its extension and for messages; may be a whole `ais://bucket/name`.
        mime: The format, where it is known and the name does not tell.

    Raises:
        UnknownFormatError: `mime` names no format.
        NotAnArchiveError: The object is no archive, or a damaged one.
        UnavailableFormatError: The format is `.tar.lz4` and the package `lz4` is not installed.
    """
    form = format_of_file(file, name, mime)
    with damage_named(name):
        if form is ArchiveFormat.ZIP:
            return _ZipArchive(file)
        if form is ArchiveFormat.TAR_LZ4:
            return _TarArchive(import_lz4().open(file), "r:")
        return _TarArchive(file, "r:gz" if form is ArchiveFormat.TGZ else "r:")


def list_members(file: IO[bytes], name: str) -> Iterator[tuple[str, int]]:
    """The names and sizes of an archive's members, in stored order.

    Only the extension tells whether an object is an archive here: listings do not open every object to look.

    Args:
        file: Holds the object and nothing else; stays open.
        name: Of the object.

    Raises:
        NotAnArchiveError: The extension is of no archive, or the archive is damaged.
        UnavailableFormatError: The format is `.tar.lz4` and the package `lz4` is not installed.
    """
    if format_of_name(name) is None:
        raise NotAnArchiveError(f"{name} has no extension of an archive")
    with damage_named(name), open_archive(file, name) as archive:
        for member in archive:
            yield member.name, member.size


def find_member(archive: Archive, path: str, name: str) -> Member:
    """The first member called `path`.

    Args:
        archive: An open archive.
        path: The member's name; a leading `/` does not count on either side.
        name: Of the archive, for messages.

    Raises:
        InvalidMemberName: No member may be asked for by such a name.
        MemberMissing: There is none.
        NotAnArchiveError: The archive is damaged.
    """
    check_member_name(path)
    wanted = path.removeprefix("/")
    with damage_named(name):
        for member in archive:
            if member.name.removeprefix("/") == wanted:
                return member
    raise MemberMissing(path, name)


def check_member_name(path: str) -> None:
    """Refuses names that AIStore does not look up in archives.

    Raises:
        InvalidMemberName: Says why.
    """
    parts = path.split("/")
    if "." in parts or ".." in parts:
        raise InvalidMemberName(path, "'.' and '..' are not allowed in it")
    if path.startswith("~/") or path.endswith("/"):
        raise InvalidMemberName(path, "it must be the name of a file")
