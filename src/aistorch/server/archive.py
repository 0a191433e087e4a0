"""Reading archives that are stored as objects: their members, and the bytes of one of them.

Members are regular files; directories and links are passed over. The rules of looking one up are those of
AIStore's `archpath` parameter: a leading `/` does not count, and of several with one name the first is meant.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, BinaryIO, NamedTuple, cast

from aistorch.server.archive_formats import (
    MAGIC_BYTES,
    ArchiveFormat,
    InvalidMemberNameError,
    MemberNotFoundError,
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


class FileSection(io.RawIOBase):
    """A read-only, seekable view of `size` bytes of an open file, from `start` on.

    It keeps its own position and never moves or closes the file. An object's file may hold more than the
    object, and readers which look for a directory at the end (zip) must not see that.
    """

    def __init__(self, file: BinaryIO, size: int, start: int = 0) -> None:
        super().__init__()
        self._fd, self._start, self._size, self._position = file.fileno(), start, size, 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """The position within the section."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position, as `io.IOBase.seek` does."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError(errno.EINVAL, f"cannot seek to {origin + offset}, before the start of the section")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads at most `len(buffer)` bytes; 0 at the end of the section."""
        wanted = max(0, min(len(buffer), self._size - self._position))
        data = os.pread(self._fd, wanted, self._start + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


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


def open_archive(file: BinaryIO, size: int, name: str, mime: str = "") -> Archive:
    """Opens the archive that an object is.

    Args:
        file: Holds the object in its first `size` bytes; stays open.
        size: Of the object, in bytes.
        name: Of the object, for its extension and for messages; may be a whole `ais://bucket/name`.
        mime: The format, where it is known and the name does not tell.

    Raises:
        UnknownFormatError: `mime` names no format.
        NotAnArchiveError: The object is no archive, or a damaged one.
        UnavailableFormatError: The format is `.tar.lz4` and the package `lz4` is not installed.
    """
    section = FileSection(file, size)
    form = detect_format(name, os.pread(file.fileno(), min(size, MAGIC_BYTES), 0), mime)
    buffered = io.BufferedReader(section, 1 << 16)
    with damage_named(name):
        if form is ArchiveFormat.ZIP:
            return _ZipArchive(buffered)
        if form is ArchiveFormat.TAR_LZ4:
            return _TarArchive(import_lz4().open(buffered), "r:")
        return _TarArchive(buffered, "r:gz" if form is ArchiveFormat.TGZ else "r:")


def list_members(file: BinaryIO, size: int, name: str) -> Iterator[tuple[str, int]]:
    """The names and sizes of an archive's members, in stored order.

    Only the extension tells whether an object is an archive here: listings do not open every object to look.

    Raises:
        NotAnArchiveError: The extension is of no archive, or the archive is damaged.
    """
    if format_of_name(name) is None:
        raise NotAnArchiveError(f"{name} has no extension of an archive")
    with damage_named(name), open_archive(file, size, name) as archive:
        for member in archive:
            yield member.name, member.size


def find_member(archive: Archive, path: str, name: str) -> Member:
    """The first member called `path`.

    Args:
        archive: An open archive.
        path: The member's name; a leading `/` does not count on either side.
        name: Of the archive, for messages.

    Raises:
        InvalidMemberNameError: No member may be asked for by such a name.
        MemberNotFoundError: There is none.
        NotAnArchiveError: The archive is damaged.
    """
    check_member_name(path)
    wanted = path.removeprefix("/")
    with damage_named(name):
        for member in archive:
            if member.name.removeprefix("/") == wanted:
                return member
    raise MemberNotFoundError(f"{path} in {name} does not exist")


def check_member_name(path: str) -> None:
    """Refuses names that AIStore does not look up in archives.

    Raises:
        InvalidMemberNameError: Says why.
    """
    parts = path.split("/")
    if "." in parts or ".." in parts:
        raise InvalidMemberNameError(f"invalid archived name {path!r}: '.' and '..' are not allowed in it")
    if path.startswith("~/") or path.endswith("/"):
        raise InvalidMemberNameError(f"invalid archived name {path!r}: it must be the name of a file")
