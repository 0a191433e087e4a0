"""The files of one shard, one by one."""

from __future__ import annotations

from aistorch.order.shards import Piece
from aistorch.shards.tar_contents import Files


class FileStream:
    """The contents of the files of one piece of a shard, in the order of the archive.

    Args:
        piece: Which files are wanted; a range of them.
    """

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._at = 0

    def take(self, files: Files) -> list[bytes]:
        """Those of the shard's next files, as far as they are wanted."""
        first, self._at = self._at, self._at + len(files)
        stop = len(files) if self._piece.stop is None else max(0, self._piece.stop - first)
        return files.contents[max(0, self._piece.first - first) : stop]

    def close(self) -> list[bytes]:
        """None are left."""
        return []
