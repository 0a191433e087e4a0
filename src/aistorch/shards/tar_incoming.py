"""Bytes of an archive that come in several chunks."""

from __future__ import annotations

from aistorch.fetch.buffers import new_body
from aistorch.shards.tar_header import HeaderError


class Incoming:
    """Bytes that belong together, each of them copied once.

    Args:
        size: How many there are.

    Attributes:
        content: They themselves; complete when `missing` is 0.
        missing: How many are still to come.

    Raises:
        HeaderError: There is not so much memory.
    """

    __slots__ = ("_view", "content", "missing")

    def __init__(self, size: int) -> None:
        try:
            self.content, self._view = new_body(size)
        except (MemoryError, OverflowError):
            raise HeaderError(f"a size of {size} bytes, more than there is memory for") from None
        self.missing = size

    def fill(self, part: memoryview) -> int:
        """Takes what belongs to it from the beginning of `part`, and says how much that was."""
        part = part[: self.missing]
        at = len(self.content) - self.missing
        self._view[at : at + len(part)] = part
        self.missing -= len(part)
        return len(part)
