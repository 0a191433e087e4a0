"""From the places of files in an archive to the files themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from aistorch.errors import DamagedShardError, ShardError, ShardLimitError
from aistorch.fetch.buffers import sliced_to_bytes
from aistorch.shards.limits import UNLIMITED, Limits
from aistorch.shards.places import Place, Places
from aistorch.shards.tar_header import HeaderError
from aistorch.shards.tar_incoming import Incoming
from aistorch.shards.tar_links import Link
from aistorch.shards.tar_reader import Chunk

NO_RANGE = -1
"""The offset of a sparse file, whose content stands nowhere in one piece, and of a link, which has none."""

# Bytes of files that were made larger than what came of them, that are given at once.
_AT_ONCE = 8 << 20

File = tuple[str, bytes, int]
"""A regular file of an archive: its whole name without a leading `./`, its content, and where that begins in the
archive, before any compression; `NO_RANGE` for a sparse file or a link."""


class Files:
    """Files in the order of the archive, in columns: nothing has to be made for each file.

    Args:
        names: Their names.
        contents: What is in them.
        offsets: Where in the archive that begins.
    """

    __slots__ = ("contents", "names", "offsets")

    def __init__(self, names: list[str], contents: list[bytes], offsets: list[int]) -> None:
        self.names = names
        self.contents = contents
        self.offsets = offsets

    @classmethod
    def of(cls, files: Iterable[File]) -> Files:
        """The columns of these files."""
        columns = [list(column) for column in zip(*files, strict=True)]
        return cls(*columns) if columns else cls([], [], [])

    def add(self, file: File) -> None:
        """Adds one file."""
        name, content, offset = file
        self.names.append(name)
        self.contents.append(content)
        self.offsets.append(offset)

    def add_all(self, names: list[str], contents: list[bytes], offsets: list[int]) -> None:
        """Adds several files."""
        self.names += names
        self.contents += contents
        self.offsets += offsets

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[File]:
        return zip(self.names, self.contents, self.offsets, strict=True)


class TarContents:
    """Takes files out of the chunks of an archive, of which it is known already where they lie.

    Args:
        shard: Name of the shard, for errors.
        origin: Where in the archive the first chunk begins.
        linked: Gives the content that a link leads to, by its name; None where it is to be passed over, as all are
            without this.
        limits: How large files may be.
    """

    def __init__(
        self,
        shard: str,
        origin: int = 0,
        linked: Callable[[str, Link], bytes | None] | None = None,
        limits: Limits = UNLIMITED,
    ) -> None:
        self.shard = shard
        self._limits = limits
        self._linked = linked
        self._base = origin
        self._open: tuple[Place, Incoming] | None = None  # a file that goes on in the next chunk
        self._trouble: ShardError | None = None

    def feed(self, chunk: Chunk, places: Places) -> Files:
        """The files that are complete with this chunk, all at once; see `parts`."""
        files = Files([], [], [])
        for part in self.parts(chunk, places):
            files.add_all(part.names, part.contents, part.offsets)
        return files

    def parts(self, chunk: Chunk, places: Places) -> Iterator[Files]:
        """The files that are complete with this chunk, in the order of the archive; large ones few at a time.

        What comes before a file that cannot be what its header says is returned like all else; the next call raises.

        Args:
            chunk: The archive's next bytes.
            places: Of the files whose headers end in this chunk.

        Raises:
            ShardError: There was such a file, or one that is too large.
        """
        self.close()
        base = self._base
        self._base += len(chunk)
        files = Files([], [], [])
        if self._open is not None:
            self._go_on(*self._open, chunk, files)
        if self._trouble is not None or not places:
            yield files
        elif places.odd:
            yield from self._take_each(places, base, chunk, files)
        else:
            self._take(places, base, chunk, files)
            yield files

    def close(self) -> None:
        """Says that no more chunks follow.

        Raises:
            DamagedShardError: As in `feed`, if it could not be raised there any more.
        """
        if self._trouble is not None:
            raise self._trouble

    def _take(self, places: Places, base: int, chunk: Chunk, files: Files) -> None:
        data, last = sliced_to_bytes(chunk), places[-1]
        goes_on = _end(last) > self._base  # only the last one can
        names, offsets, sizes = places.names, places.offsets, places.sizes
        if goes_on:
            names, offsets, sizes = names[:-1], offsets[:-1], sizes[:-1]
        starts = zip(offsets, sizes, strict=True)
        files.add_all(names, [data[at - base : at - base + size] for at, size in starts], offsets)
        if goes_on:
            self._begin(last, memoryview(chunk)[last[1] - base :])

    def _take_each(self, places: Places, base: int, chunk: Chunk, files: Files) -> Iterator[Files]:
        """The same where some are sparse, or links: these are larger than what came."""
        data, held = sliced_to_bytes(chunk), 0
        for place in places:
            if self._trouble is not None:
                break
            if held > _AT_ONCE:
                yield files
                files, held = Files([], [], []), 0
            before = len(files)
            start = place[1] - base
            if _end(place) <= self._base:
                self._deliver(place, data[start : start + place[2]], files)
            else:
                self._begin(place, memoryview(chunk)[start:])
            held += sum(map(len, files.contents[before:]))
        yield files

    def _begin(self, place: Place, part: memoryview) -> None:
        try:
            self._limits.check(self.shard, place[0], place[2])
            incoming = Incoming(place[2])
        except HeaderError as error:
            self._trouble = self._damage(place, error)
        except ShardLimitError as error:
            self._trouble = error
        else:
            incoming.fill(part)
            self._open = place, incoming

    def _go_on(self, place: Place, incoming: Incoming, chunk: Chunk, files: Files) -> None:
        incoming.fill(memoryview(chunk))
        if not incoming.missing:
            self._open = None
            self._deliver(place, incoming.content, files)

    def _deliver(self, place: Place, content: bytes, files: Files) -> None:
        name, offset, _, odd = place
        if isinstance(odd, Link):
            linked = None if self._linked is None else self._linked(name, odd)
            if linked is not None:
                files.add((name, linked, NO_RANGE))
            return
        try:
            if odd is None:
                files.add((name, content, offset))
            else:
                self._limits.check(self.shard, name, odd.size, "sparse file")
                files.add((name, odd.fill(content), NO_RANGE))
        except HeaderError as error:
            self._trouble = self._damage(place, error)
        except ShardLimitError as error:
            self._trouble = error

    def _damage(self, place: Place, error: HeaderError) -> DamagedShardError:
        return DamagedShardError(self.shard, place[0], place[1], str(error))


def _end(place: Place) -> int:
    return place[1] + place[2]
