"""Where the files of a shard lie, by the index beside it, which every header is held against."""

from __future__ import annotations

from aistorch.shards.grouping import split_name
from aistorch.shards.member_index import MemberIndex
from aistorch.shards.places import Place, Places
from aistorch.shards.proofs import Proof
from aistorch.shards.tar import TarHeaders
from aistorch.shards.tar_header import BLOCK
from aistorch.shards.tar_reader import Chunk


class IndexedPlaces(TarHeaders):
    """Finds what `TarHeaders` finds, whatever the index says; headers that are as the index has it are not parsed.

    Args:
        shard: Name of the shard, for errors.
        index: Its files, in the order of the shard.
        origin: Where in the shard the first chunk begins.
        proof: Which of the files need not be held against their headers; added to.

    Attributes:
        astray: Whether the shard has turned out to hold something else than the index says.
    """

    def __init__(self, shard: str, index: MemberIndex, origin: int = 0, proof: Proof | None = None) -> None:
        super().__init__(shard, origin)
        self._index = index
        self._proof = proof
        self._next = index.foretold.after(origin)
        self.astray = False

    @property
    def is_complete(self) -> bool:
        """Whether all that the index has from the first chunk on has been found."""
        return not self.astray and self._next == len(self._index.offsets)

    def _take_many(self, chunk: Chunk, data: bytes, pos: int, found: Places) -> int:
        first = self._next
        if (stop := self._foretold(chunk, pos)) > first:
            self._next = stop
            offsets, sizes = self._index.offsets[first:stop].tolist(), self._index.sizes[first:stop].tolist()
            found.add_plain(self._index.all_names[first:stop], offsets, sizes)
            return self._behind(offsets[-1] + sizes[-1])
        before = len(found)
        after = super()._take_many(chunk, data, pos, found)
        self._compare(found, before)
        return after

    def _foretold(self, chunk: Chunk, pos: int) -> int:
        """Up to which number files have the headers that they must have."""
        first, foretold, proof = self._next, self._index.foretold, self._proof
        if not foretold.is_next(first, self._base + pos + BLOCK):
            return first
        stop = foretold.run(self._base + len(chunk), first)
        if first >= stop or (proof is not None and proof[first:stop].all()):
            return max(first, stop)
        stop = first + foretold.count(chunk, pos, self._base, first, stop)
        if proof is not None:
            proof[first:stop] = True
        return stop

    def _take_header(self, block: bytes, chunk: Chunk, pos: int, found: Places) -> int:
        before = len(found)
        after = super()._take_header(block, chunk, pos, found)
        self._compare(found, before)
        return after

    def _behind(self, end: int) -> int:
        """Where in the chunk the header behind a content begins that ends there in the shard."""
        return end + (-end & BLOCK - 1) - self._base

    def _compare(self, found: Places, first: int) -> None:
        """Holds files that were found by their headers against the index."""
        for number in range(first, len(found)):
            place = found[number]
            if split_name(place[0]) is None:  # the index leaves it out
                continue
            if self._is_next(place):
                self._next += 1
            else:
                self.astray = True

    def _is_next(self, place: Place) -> bool:
        number, index = self._next, self._index
        return number < len(index.offsets) and place == (
            index.all_names[number],
            int(index.offsets[number]),
            int(index.sizes[number]),
            None,
        )
