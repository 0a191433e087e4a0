"""From the places of files in an archive to the files themselves."""

from __future__ import annotations

from collections.abc import Sequence

from aistorch.errors import DamagedShardError
from aistorch.fetch.buffers import sliced_to_bytes
from aistorch.shards.tar_header import HeaderError
from aistorch.shards.tar_incoming import Incoming
from aistorch.shards.tar_reader import Chunk, Place

NO_RANGE = -1
"""The offset of a sparse file: its content stands nowhere in one piece."""

File = tuple[str, bytes, int]
"""A regular file of an archive: its whole name without a leading `./`, its content, and where that begins in the
archive, before any compression; `NO_RANGE` for a sparse file. Plain, since a named tuple takes four times as long."""


class TarContents:
    """Takes files out of the chunks of an archive, of which it is known already where they lie.

    Args:
        shard: Name of the shard, for errors.
        origin: Where in the archive the first chunk begins.
    """

    def __init__(self, shard: str, origin: int = 0) -> None:
        self.shard = shard
        self._base = origin
        self._open: tuple[Place, Incoming] | None = None  # a file that goes on in the next chunk
        self._trouble: DamagedShardError | None = None

    def feed(self, chunk: Chunk, places: Sequence[Place]) -> list[File]:
        """The files that are complete with this chunk, in the order of the archive.

        What comes before a file that cannot be what its header says is returned like all else; the next call raises.

        Args:
            chunk: The archive's next bytes.
            places: Of the files whose headers end in this chunk.

        Raises:
            DamagedShardError: There was such a file.
        """
        self.close()
        base, end = self._base, len(chunk)
        self._base += end
        files: list[File] = []
        if self._open is not None:
            self._go_on(*self._open, chunk, files)
        data = sliced_to_bytes(chunk) if places else b""
        for place in places:
            if self._trouble is not None:
                break
            name, offset, size, sparse = place
            start = offset - base
            stop = start + size
            if sparse is None and stop <= end:
                files.append((name, data[start:stop], offset))
            elif stop <= end:
                self._deliver(place, data[start:stop], files)
            else:  # only the last one can go on
                self._begin(place, memoryview(chunk)[start:])
        return files

    def close(self) -> None:
        """Says that no more chunks follow.

        Raises:
            DamagedShardError: As in `feed`, if it could not be raised there any more.
        """
        if self._trouble is not None:
            raise self._trouble

    def _begin(self, place: Place, part: memoryview) -> None:
        try:
            incoming = Incoming(place[2])
        except HeaderError as error:
            self._trouble = self._damage(place, error)
        else:
            incoming.fill(part)
            self._open = place, incoming

    def _go_on(self, place: Place, incoming: Incoming, chunk: Chunk, files: list[File]) -> None:
        incoming.fill(memoryview(chunk))
        if not incoming.missing:
            self._open = None
            self._deliver(place, incoming.content, files)

    def _deliver(self, place: Place, content: bytes, files: list[File]) -> None:
        name, offset, _, sparse = place
        try:
            files.append((name, content, offset) if sparse is None else (name, sparse.fill(content), NO_RANGE))
        except HeaderError as error:
            self._trouble = self._damage(place, error)

    def _damage(self, place: Place, error: HeaderError) -> DamagedShardError:
        return DamagedShardError(self.shard, place[0], place[1], str(error))
