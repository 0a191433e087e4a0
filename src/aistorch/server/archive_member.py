"""One member of an archive that is stored as an object, as a file of its own."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, NamedTuple

from aistorch.server.archive import find_member, open_archive

if TYPE_CHECKING:
    from aistorch.server.bucket import Bucket


class OpenMember(NamedTuple):
    """A member, ready to be read.

    Attributes:
        size: Its length in bytes.
        content: Its bytes; closing it closes archive and object as well.
    """

    size: int
    content: IO[bytes]


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
    shown = bucket.key.cname(name)
    with ExitStack() as opened:
        _, file = bucket.open_data(name)
        archive = opened.enter_context(open_archive(opened.enter_context(file), shown, mime))
        member = find_member(archive, path.removeprefix(f"{name}/"), shown)
        content = opened.enter_context(archive.open(member))
        return OpenMember(member.size, _OwningFile(content, opened.pop_all()))  # type: ignore[arg-type]
