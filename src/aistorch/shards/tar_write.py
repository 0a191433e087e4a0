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


def member_head(name: str, size: int) -> bytes:
    """The header of a file: ustar, and a pax record before it where name or size do not fit into that.

    It depends on name and size alone, so that the same samples make the same shard.
    """
    info = tarfile.TarInfo(name)
    info.size = size  # and no time, no owner
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
    is_plain = len(name) <= _USTAR_NAME and name.isascii() and size < _USTAR_SIZE  # as nearly all are: not made then
    return (BLOCK if is_plain else len(member_head(name, size))) + size + padding(size)
