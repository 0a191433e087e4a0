"""From the chunks of one shard to its files, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from aistorch.fetch.body import Content
from aistorch.order.shards import Piece
from aistorch.shards.tar import File, TarStream


class FileStream:
    """The files of one piece of a shard, in the order of the archive, as its chunks arrive.

    Args:
        shard: Its URL, for errors.
        piece: Which files are wanted; a range of them.
    """

    def __init__(self, shard: str, piece: Piece) -> None:
        self._piece = piece
        self._at = 0
        self._tar = TarStream(shard)
        self._has_bytes = False

    def feed(self, content: Content) -> list[bytes]:
        """The contents of the files that are complete with these bytes, as far as they are wanted.

        Raises:
            ShardError: The shard is damaged.
        """
        if self._is_past_piece:
            return []
        self._has_bytes = True
        return self.take(self._tar.feed(content))

    def take(self, files: Sequence[File]) -> list[bytes]:
        """The same for files that have been taken out of the shard already."""
        first, self._at = self._at, self._at + len(files)
        stop = len(files) if self._piece.stop is None else max(0, self._piece.stop - first)
        return [content for _, content, _ in files[max(0, self._piece.first - first) : stop]]

    def close(self) -> list[bytes]:
        """None are left, if the shard is complete.

        Raises:
            ShardError: It is not, or it is damaged.
        """
        if self._has_bytes and not self._is_past_piece:
            self._tar.close()
        return []

    @property
    def _is_past_piece(self) -> bool:
        return self._piece.stop is not None and self._at >= self._piece.stop
