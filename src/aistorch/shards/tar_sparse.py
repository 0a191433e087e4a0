"""Sparse files: only the regions with data are stored, and the holes between them are filled with zeros again.

The four forms are those of GNU tar's manual, "Storing Sparse Files"; bsdtar writes the last one.
"""

from __future__ import annotations

from collections.abc import Mapping

from aistorch.shards.tar_header import BLOCK, HeaderError, decimal, number

SPARSE_LIMIT = 1 << 28
"""Bytes of a sparse file, at most: a header of 512 bytes could ask for any amount of memory."""

_MOST_REGIONS = 1 << 18  # each takes a hundred bytes of memory
_HEADER_REGIONS, _HEADER_COUNT, _HEADER_MORE, _HEADER_SIZE = 386, 4, 482, slice(483, 495)
_BLOCK_COUNT, _BLOCK_MORE = 21, 504


class SparseMap:
    """Where in a file the stored bytes belong.

    Attributes:
        size: Bytes of the file, its holes included.
        more: Whether another block of the map follows the header.
    """

    def __init__(self, size: int, regions: list[tuple[int, int]] | None) -> None:
        if not 0 <= size <= SPARSE_LIMIT:
            raise HeaderError(f"a sparse file of {size} bytes; {SPARSE_LIMIT} at most are read")
        self.size = size
        self.more = False
        self._regions = regions

    @classmethod
    def from_header(cls, block: bytes) -> SparseMap:
        """The map in a header of GNU's old format.

        Raises:
            HeaderError: It is damaged.
        """
        sparse = cls(number(block[_HEADER_SIZE], "size"), [])
        sparse._read(block[_HEADER_REGIONS:], _HEADER_COUNT)
        sparse.more = block[_HEADER_MORE] != 0
        return sparse

    @classmethod
    def from_records(cls, records: Mapping[str, str]) -> SparseMap | None:
        """The map that pax records describe, None where they describe none.

        Raises:
            HeaderError: They are damaged.
        """
        if "GNU.sparse.map" in records:
            numbers = _numbers(records["GNU.sparse.map"])
            return cls(_size(records), list(zip(numbers[::2], numbers[1::2], strict=False)))
        if "GNU.sparse.offset" in records or "GNU.sparse.size" in records:
            offsets = _numbers(records.get("GNU.sparse.offset", ""))
            lengths = _numbers(records.get("GNU.sparse.numbytes", ""))
            return cls(_size(records), list(zip(offsets, lengths, strict=False)))
        version = records.get("GNU.sparse.major"), records.get("GNU.sparse.minor")
        if version == ("1", "0"):
            return cls(_size(records), None)
        if any(keyword.startswith("GNU.sparse.") for keyword in records):
            raise HeaderError(f"a sparse file of a version {version} that nobody knows")
        return None

    def add_block(self, block: bytes) -> None:
        """Takes a further block of the map.

        Raises:
            HeaderError: It is damaged.
        """
        self._read(block, _BLOCK_COUNT)
        self.more = block[_BLOCK_MORE] != 0

    def fill(self, stored: bytes) -> bytes:
        """The file as it was.

        Raises:
            HeaderError: The map does not fit what is stored.
        """
        regions, source = (self._regions, 0) if self._regions is not None else _leading_map(stored)
        pieces: list[bytes] = []
        at = 0
        for offset, length in regions:
            if offset < at or offset + length > self.size:
                raise HeaderError(f"a sparse file of {self.size} bytes with {length} bytes at {offset}, behind {at}")
            pieces += (bytes(offset - at), stored[source : source + length])
            source += length
            at = offset + length
        if source != len(stored):
            raise HeaderError(f"a sparse file whose map takes {source} bytes, and {len(stored)} are stored")
        return b"".join((*pieces, bytes(self.size - at)))

    def _read(self, entries: bytes, count: int) -> None:
        for at in range(0, count * 24, 24):
            if not entries[at + 12]:
                break
            region = number(entries[at : at + 12], "sparse offset"), number(entries[at + 12 : at + 24], "sparse size")
            if min(region) < 0:
                raise HeaderError(f"a sparse file with {region[1]} bytes at {region[0]}")
            if self._regions is not None:
                self._regions.append(region)
                _check_count(len(self._regions))


def _leading_map(stored: bytes) -> tuple[list[tuple[int, int]], int]:
    """Regions as they stand in lines before the data (version 1.0), and where the data begins."""
    first = stored[:20].split(b"\n", 1)[0]
    count = 1 + 2 * int(first) if first.isdigit() else 0
    if not 0 < count <= len(stored):
        raise HeaderError(f"no map of a sparse file: {first!r}")
    _check_count(count // 2)
    lines = stored.split(b"\n", count)[:count]
    numbers = _numbers(b",".join(lines).decode("latin-1"))
    if len(numbers) != count:
        raise HeaderError(f"a map of a sparse file with {len(numbers)} numbers instead of {count}")
    length = len(b"\n".join(lines)) + 1
    return list(zip(numbers[1::2], numbers[2::2], strict=True)), -(-length // BLOCK) * BLOCK


def _size(records: Mapping[str, str]) -> int:
    return decimal(records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size") or "", "sparse size")


def _check_count(regions: int) -> None:
    if regions > _MOST_REGIONS:
        raise HeaderError(f"a sparse file of {regions} regions or more; {_MOST_REGIONS} at most are read")


def _numbers(text: str) -> list[int]:
    _check_count(text.count(",") // 2)
    return [decimal(number, "sparse offset or size") for number in text.split(",")] if text else []
