"""Bytes behind a header that is not one of the ordinary: what they are, and those that come in several chunks."""

from __future__ import annotations

from aistorch.fetch.buffers import new_body
from aistorch.shards.tar_extended import EXTENDED_LIMIT
from aistorch.shards.tar_header import Header, HeaderError
from aistorch.shards.tar_sparse import SparseMap


class Incoming:
    """What follows a header: a file's content, or what an extended header says.

    Attributes:
        header: The extended header, None for a file.
        name: The file's name.
        offset: Of the first byte in the archive.
        size: How many bytes there are, without padding.
        sparse: Where they belong, if the file has holes.
        content: The bytes, if they come in several chunks: complete when `missing` is 0.
        missing: How many are still to come.
    """

    __slots__ = ("_view", "content", "header", "missing", "name", "offset", "size", "sparse")

    def __init__(
        self, name: str, offset: int, size: int, sparse: SparseMap | None = None, header: Header | None = None
    ) -> None:
        self.header, self.name, self.offset, self.size, self.sparse = header, name, offset, size, sparse
        self.content = b""
        self.missing = size
        self._view = memoryview(b"")

    @classmethod
    def extended(cls, header: Header, offset: int) -> Incoming:
        """What an extended header says.

        Raises:
            HeaderError: It says too much.
        """
        if header.size > EXTENDED_LIMIT:
            raise HeaderError(f"an extended header of {header.size} bytes; {EXTENDED_LIMIT} at most are read")
        return cls("", offset, header.size, None, header)

    def reserve(self) -> None:
        """Makes room for bytes that come in several chunks, so that each is copied once.

        Raises:
            HeaderError: There is not so much memory.
        """
        try:
            self.content, self._view = new_body(self.size)
        except (MemoryError, OverflowError):
            raise HeaderError(f"a size of {self.size} bytes, more than there is memory for") from None

    def fill(self, part: memoryview) -> int:
        """Takes what belongs to it from the beginning of `part`, and says how much that was."""
        part = part[: self.missing]
        at = self.size - self.missing
        self._view[at : at + len(part)] = part
        self.missing -= len(part)
        return len(part)
