"""The files of one shard, one by one."""

from __future__ import annotations

from aistorch.order.shards import Piece
from aistorch.shards.names import is_apple_double
from aistorch.shards.tar_contents import Files

NamedFile = tuple[str, bytes]
"""A file's whole name, and its content."""


class FileStream:
    """The files of one piece of a shard, in the order of the archive.

    What macOS puts beside files, `._name`, counts for none.

    Args:
        piece: Which files are wanted; a range of them.
    """

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._at = 0

    def take(self, files: Files) -> list[NamedFile]:
        """Those of the shard's next files, as far as they are wanted."""
        named = list(zip(files.names, files.contents, strict=True))
        if any("._" in name for name in files.names):
            named = [file for file in named if not is_apple_double(file[0])]
        first, self._at = self._at, self._at + len(named)
        stop = len(named) if self._piece.stop is None else max(0, self._piece.stop - first)
        return named[max(0, self._piece.first - first) : stop]

    @property
    def held(self) -> tuple[int, str]:
        """Nothing is kept."""
        return 0, ""

    def close(self) -> list[NamedFile]:
        """None are left."""
        return []
