"""One member of an archive that is stored as an object, as a file of its own."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, NamedTuple

from aistorch.server.archive import check_member_name, find_member, format_of_file, open_archive
from aistorch.server.archive_formats import ArchiveFormat
from aistorch.server.tar_index import tar_index

if TYPE_CHECKING:
    from aistorch.server.bucket import Bucket


class OpenMember(NamedTuple):
    """A member, ready to be read.

    Attributes:
        size: Its length in bytes.
        content: Stands at its first byte, may go on behind its last; closing it closes everything.
        offset: Where in `content` the first byte is.
    """

    size: int
    content: IO[bytes]
    offset: int = 0


class _OwningFile(io.BufferedIOBase):
    """Reads a file, and closes what that depends on together with it."""

    def __init__(self, file: IO[bytes], owned: ExitStack) -> None:
        self._file, self._owned = file, owned

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        self._owned.close()
        super().close()


def open_member(bucket: Bucket, name: str, path: str, mime: str = "") -> OpenMember:
    """Opens a member of an archive. Blocks while the archive is searched.

    Args:
        bucket: Where the archive is.
        name: The archive.
        path: The member. If it starts with the archive's name, as listings show it, that is cut off.
        mime: The archive's format, where the name does not tell.

    Raises:
        ObjectMissing: The archive does not exist.
        NotAnArchiveError: It is none, or damaged.
        InvalidMemberName: No member may be asked for by such a name.
        MemberMissing: It has no such member.
    """
    shown, path = bucket.key.cname(name), path.removeprefix(f"{name}/")
    check_member_name(path)
    with ExitStack() as opened:
        meta, file = bucket.open_data(name)
        opened.enter_context(file)
        if format_of_file(file, shown, mime) is ArchiveFormat.TAR:
            index = tar_index((bucket.key, name, meta.checksum), file, shown)
            if index is not None:
                offset, size = index.find(path)
                file.seek(offset)
                opened.pop_all()
                return OpenMember(size, file, offset)
        archive = opened.enter_context(open_archive(file, shown, mime))
        member = find_member(archive, path, shown)
        content = opened.enter_context(archive.open(member))
        return OpenMember(member.size, _OwningFile(content, opened.pop_all()))  # type: ignore[arg-type]
