"""Where the files of an archive lie, in columns: nothing has to be made for each file."""

from __future__ import annotations

from collections.abc import Iterator

from aistorch.shards.tar_links import Link
from aistorch.shards.tar_sparse import SparseMap

Place = tuple[str, int, int, SparseMap | Link | None]
"""A file without its content: its name, where what is stored of it begins, how many bytes that is, and its holes; or
what it links to, where nothing is stored."""


class Places:
    """Files without their contents, in the order of the archive.

    Args:
        names: Their names.
        offsets: Where in the archive, before any compression, what is stored of each begins.
        sizes: How many bytes that is.

    Attributes:
        odd: The holes of those that have some, and what links lead to, by their numbers in the columns.
    """

    __slots__ = ("names", "odd", "offsets", "sizes")

    def __init__(self, names: list[str], offsets: list[int], sizes: list[int]) -> None:
        self.names = names
        self.offsets = offsets
        self.sizes = sizes
        self.odd: dict[int, SparseMap | Link] = {}

    def add(self, place: Place) -> None:
        """Adds one file."""
        name, offset, size, odd = place
        if odd is not None:
            self.odd[len(self.names)] = odd
        self.names.append(name)
        self.offsets.append(offset)
        self.sizes.append(size)

    def add_plain(self, names: list[str], offsets: list[int], sizes: list[int]) -> None:
        """Adds files without holes."""
        self.names += names
        self.offsets += offsets
        self.sizes += sizes

    def __getitem__(self, number: int) -> Place:
        number = range(len(self.names))[number]
        return self.names[number], self.offsets[number], self.sizes[number], self.odd.get(number)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Place]:
        return map(self.__getitem__, range(len(self.names)))
