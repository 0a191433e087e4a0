"""What stands between the contents in a TAR archive: headers, padding, the end."""

from __future__ import annotations

import tarfile

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""Two empty blocks."""

_USTAR_SIZE = 8 << 30
"""Bytes from which on a size does not fit into 11 octal digits."""
_USTAR_NAME = 100
"""Bytes of a name that fit without being split."""


_EMPTY = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
"""The header of an empty file without a name, a time and an owner."""
_OWNER, _TIME, _REST = _EMPTY[100:124], _EMPTY[136:148], _EMPTY[156:]
_SUM = sum(_OWNER) + sum(_TIME) + sum(_REST) + 8 * ord(" ")
"""What name and size add to makes the checksum; its own field counts as spaces."""


def member_head(name: str, size: int) -> bytes:
    """The header of a file: ustar, and a pax record before it where name or size do not fit into that.

    It depends on name and size alone, so that the same samples make the same shard.
    """
    if _is_plain(name, size):
        # As below, in a tenth of the time.
        text, digits = name.encode("ascii"), b"%011o" % size
        checksum = b"%06o\0 " % (_SUM + sum(text) + sum(digits))
        return text.ljust(_USTAR_NAME, b"\0") + _OWNER + digits + b"\0" + _TIME + checksum + _REST
    info = tarfile.TarInfo(name)
    info.size = size
    if name.isascii() and size < _USTAR_SIZE:
        try:
            return info.tobuf(tarfile.USTAR_FORMAT)
        except ValueError:  # too long, even if split at a slash
            pass
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> int:
    """Bytes between the end of a content and the next block."""
    return -size % BLOCK


def member_size(name: str, size: int) -> int:
    """Bytes that a file takes in the archive."""
    head = BLOCK if _is_plain(name, size) else len(member_head(name, size))
    return head + size + padding(size)


def _is_plain(name: str, size: int) -> bool:
    """Whether one block says it all, as for nearly all files."""
    return len(name) <= _USTAR_NAME and name.isascii() and size < _USTAR_SIZE
