"""What links in a shard lead to: looked up in the shard, when the first one is met."""

from __future__ import annotations

from collections.abc import Iterator

from aistorch.errors import BrokenLinkError, ObjectReplacedError, ShardError
from aistorch.fetch.chunks import Chunk, Extent, stream_chunks
from aistorch.shards.catalog import Catalog
from aistorch.shards.compression import Decompressor, decompressor_for
from aistorch.shards.grouping import split_name
from aistorch.shards.places import Place, Places
from aistorch.shards.tar import TarHeaders
from aistorch.shards.tar_contents import Files, TarContents
from aistorch.shards.tar_links import Link, follow, is_folder
from aistorch.shards.tar_sparse import SparseMap
from aistorch.shards.versions import Seen


class LinkedFiles:
    """The contents that the links of one shard lead to.

    The shard's headers are read once for that; each content then by a range of its bytes, where the shard is not
    compressed, else all of them by another pass.

    Args:
        catalog: The shards.
        shard: Number of this one.
        seen: The version of it that is being read; another one is not mixed with it.
        limit: Bytes of contents that are held, at most, where the shard is compressed.
        every: Whether links count that belong to no sample, since their names have no extension.
    """

    def __init__(self, catalog: Catalog, shard: int, seen: Seen, limit: int, every: bool) -> None:
        self._catalog = catalog
        self._shard = shard
        self._url = catalog.url(shard)
        self._seen = seen
        self._limit = limit
        self._every = every
        self._members: dict[str, Place | Link] | None = None
        self._held: dict[str, bytes] | None = None  # of a compressed shard
        self._latest: tuple[Place, bytes] | None = None

    def content(self, name: str, link: Link) -> bytes | None:
        """The content of the file that a link leads to; None where it leads to a folder, or need not be followed.

        Raises:
            BrokenLinkError: It leads nowhere in this shard.
            AIStorchError: The shard could not be read.
        """
        if not self._every and split_name(name) is None:
            return None
        if self._members is None:
            self._members = self._look()
        place = follow(link, self._members)
        if place is None:
            if is_folder(link, self._members):
                return None
            raise BrokenLinkError.of(self._url, name, link.text)
        if self._held is not None:
            return self._held[place[0]]
        if self._latest is None or self._latest[0] != place:
            self._latest = place, self._read(place)
        return self._latest[1]

    def _look(self) -> dict[str, Place | Link]:
        """All members by their names; of those with the same name, the last one."""
        members: dict[str, Place | Link] = {}
        compressed = False
        for _, places, decompressor in self._pass():
            compressed = type(decompressor) is not Decompressor
            members |= {place[0]: place[3] if isinstance(place[3], Link) else place for place in places}
        if compressed:
            self._held = self._hold(members)
        return members

    def _hold(self, members: dict[str, Place | Link]) -> dict[str, bytes]:
        """The contents of all files of a compressed shard that links lead to."""
        links = (each for each in members.values() if isinstance(each, Link))
        wanted = {place[0]: place for place in (follow(link, members) for link in links) if place is not None}
        if (size := sum(map(_size, wanted.values()))) > self._limit:
            problem = f"it is compressed, and its links lead to {size} bytes, more than {self._limit} can be held"
            raise ShardError(self._url, problem=f"{problem}: pack it with --hard-dereference and --dereference")
        held: dict[str, bytes] = {}
        contents = TarContents(self._url)
        for content, places, _ in self._pass():
            chosen = Places([], [], [])
            for place in places:
                if wanted.get(place[0]) == place:
                    chosen.add(place)
            held |= _named(contents.feed(content, chosen))
        contents.close()
        return held

    def _read(self, place: Place) -> bytes:
        _, offset, size, odd = place
        content = b""
        if size:
            chunks = self._chunks(Extent(self._shard, offset, offset + size))
            content = b"".join([bytes(chunk.content) for chunk in chunks])
        return odd.fill(content) if isinstance(odd, SparseMap) else content

    def _pass(self) -> Iterator[tuple[bytes | memoryview, Places, Decompressor]]:
        """The bytes of the whole shard, uncompressed, and the files in them."""
        headers, decompressor = TarHeaders(self._url), None
        for chunk in self._chunks(Extent(self._shard)):
            if decompressor is None:
                decompressor = decompressor_for(chunk.content, self._url)
            for content in decompressor.feed(chunk.content):
                yield content, headers.feed(content), decompressor
        headers.close()

    def _chunks(self, extent: Extent) -> Iterator[Chunk]:
        for number, chunk in enumerate(stream_chunks(self._catalog.reader, self._catalog.shards, [extent])):
            if number == 0 and self._seen.differs(chunk):
                raise ObjectReplacedError(
                    self._url, causes=["another version came than before"], hint="Read it once more"
                )
            yield chunk


def _size(place: Place) -> int:
    return place[3].size if isinstance(place[3], SparseMap) else place[2]


def _named(files: Files) -> dict[str, bytes]:
    return dict(zip(files.names, files.contents, strict=True))
