"""`MemberIndex`: where each file of a shard lies, so that samples can be read without the files before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import DuplicateMemberError, SampleIndexError, ShardIndexError
from aistorch.index.columns import Offsets, offsets_column
from aistorch.shards.grouping import split_name
from aistorch.shards.index_form import LaterVersionError, packed, unpacked

INDEX_SUFFIX = ".idx"
"""The index of a shard is the object of its name with this behind it."""

UNKNOWN_CHECKSUM = 0

_COLUMNS = {
    "blob": (np.uint8,),
    "name_offsets": (np.uint32, np.uint64),
    "offsets": (np.int64,),
    "sizes": (np.int64,),
    "firsts": (np.int64,),
}

File = tuple[str, int, int]
"""Extension, offset of the content's first byte in the shard, bytes."""


@dataclass(frozen=True, eq=False)
class MemberIndex:
    """The files of one shard in columns, those of a sample side by side. Nothing in it can be changed.

    Files that belong to no sample, since their names have no extension, are not in it.

    Attributes:
        blob: The full names of all files in UTF-8, one after another; bytes of a name that are no UTF-8 are kept.
        name_offsets: Where each name begins in `blob`, and where the last one ends: one more than files.
        offsets: Of each content's first byte in the shard, where that is not compressed.
        sizes: Bytes of each content.
        firsts: Number of the file at which each sample begins, and of files in all: one more than samples.
        shard_size: Bytes of the shard, to notice that it is another one by now.
        shard_checksum: Its xxh64, 0 where that is unknown.
    """

    blob: NDArray[np.uint8]
    name_offsets: Offsets
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    shard_size: int
    shard_checksum: int = UNKNOWN_CHECKSUM

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def from_entries(
        cls, entries: Iterable[tuple[str, int, int]], shard_size: int, checksum: int = UNKNOWN_CHECKSUM, shard: str = ""
    ) -> MemberIndex:
        """An index of these files, grouped to samples; a sample stands where its first file does.

        Args:
            entries: Name, offset of the content and its size, in the order of the shard.
            shard_size: Bytes of the shard.
            checksum: The shard's xxh64, 0 where that is unknown.
            shard: Its name, for errors.

        Raises:
            DuplicateMemberError: A sample has two files of one extension.
        """
        samples: dict[str, dict[str, tuple[str, int, int]]] = {}
        for name, offset, size in entries:
            split = split_name(name)
            if split is None:
                continue
            key, extension = split
            files = samples.setdefault(key, {})
            if extension in files:
                raise DuplicateMemberError(shard, name, offset)
            files[extension] = (name, offset, size)
        members = [member for files in samples.values() for member in files.values()]
        return cls(
            *_pack([name for name, _, _ in members]),
            np.array([offset for _, offset, _ in members], dtype=np.int64),
            np.array([size for _, _, size in members], dtype=np.int64),
            np.cumsum([0, *map(len, samples.values())], dtype=np.int64),
            shard_size,
            checksum,
        )

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.firsts) - 1

    @cached_property
    def extensions(self) -> tuple[str, ...]:
        """All extensions, in the order in which they first appear."""
        return tuple(dict.fromkeys(_split(name)[1] for name in self.names()))

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the files of each sample stand side by side, so that a range of bytes holds a range of samples."""
        distances = np.diff(self.offsets)
        return bool(((distances > 0) & (distances >= self.sizes[:-1])).all())

    def names(self, first: int = 0, stop: int | None = None) -> list[str]:
        """The full names of the files from number `first` up to `stop`, which is not included; by default, of all."""
        offsets = self.name_offsets[first : None if stop is None else stop + 1]
        data = self.blob[int(offsets[0]) : int(offsets[-1])].tobytes()
        bounds = pairwise((offsets - offsets[0]).tolist())
        if data.isascii():
            text = data.decode()
            return [text[begin:end] for begin, end in bounds]
        return [data[begin:end].decode("utf-8", "surrogateescape") for begin, end in bounds]

    @cached_property
    def all_names(self) -> list[str]:
        """The same of all files, kept."""
        return self.names()

    def keys(self) -> list[str]:
        """The key of each sample."""
        names = self.names()
        return [_split(names[first])[0] for first in self.firsts[:-1].tolist()]

    def sample(self, index: int) -> tuple[str, list[File]]:
        """The key of one sample, and its files; negative numbers count from the end.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        first, stop = self._members(index)
        names = [_split(name) for name in self.names(first, stop)]
        offsets, sizes = self.offsets[first:stop].tolist(), self.sizes[first:stop].tolist()
        files = [(name[1], offset, size) for name, offset, size in zip(names, offsets, sizes, strict=True)]
        return names[0][0], files

    def span(self, index: int) -> tuple[int, int]:
        """The range of the shard's bytes, its end not included, that holds all contents of one sample.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        first, stop = self._members(index)
        starts, sizes = self.offsets[first:stop].tolist(), self.sizes[first:stop].tolist()
        return min(starts), max(start + size for start, size in zip(starts, sizes, strict=True))

    def to_bytes(self) -> bytes:
        """The stored form, which `index_form` describes; the same for equal indices."""
        # Of bounds, the 0 that all begin with is left out.
        columns = (self.name_offsets[1:], self.offsets, self.sizes, self.firsts[1:])
        return packed((self.shard_size, self.shard_checksum), columns, self.blob)

    @classmethod
    def from_bytes(cls, data: bytes, shard: str) -> MemberIndex:
        """The index that was stored.

        Args:
            data: What `to_bytes` has made.
            shard: Name of the shard, for errors.

        Raises:
            ShardIndexError: `data` is no index, is damaged, or was written by a later version.
        """
        name = shard + INDEX_SUFFIX
        try:
            (size, checksum), (ends, offsets, sizes, lasts), blob = unpacked(data)
            index = cls(blob, offsets_column(ends), offsets, sizes, np.append(0, lasts), size, checksum)
            index._check()
        except LaterVersionError as error:
            raise ShardIndexError(name, f"{error}. Update aistorch") from error
        except ValueError as error:
            raise ShardIndexError(name, f"it is damaged, or no index at all ({error}). Write it anew") from error
        return index

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MemberIndex):
            return NotImplemented
        return self._shard == other._shard and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _COLUMNS
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[MemberIndex], tuple[Any, ...]]:
        return MemberIndex, tuple(getattr(self, column.name) for column in fields(self))

    def __repr__(self) -> str:
        return f"MemberIndex({len(self)} samples, {len(self.offsets)} files)"

    @property
    def _shard(self) -> tuple[int, int]:
        return self.shard_size, self.shard_checksum

    def _members(self, index: int) -> tuple[int, int]:
        count = len(self)
        if not -count <= index < count:
            raise SampleIndexError(f"index {index} is outside a shard of {count} samples")
        position = index % count
        return int(self.firsts[position]), int(self.firsts[position + 1])

    def _check(self) -> None:
        """Raises ValueError where the columns do not fit together."""
        for name, kinds in _COLUMNS.items():
            column = getattr(self, name)
            if column.ndim != 1 or column.dtype not in kinds:
                raise ValueError(f"{name} is an array of {column.dtype}")
        members = len(self.offsets)
        _check_bounds("name_offsets", self.name_offsets, members + 1, len(self.blob))
        if len(self.firsts) == 0:
            raise ValueError("firsts is empty")
        _check_bounds("firsts", self.firsts, len(self.firsts), members)
        if len(self.sizes) != members:
            raise ValueError(f"{len(self.sizes)} sizes of {members} files")
        if members and (self.offsets.min() < 0 or self.sizes.min() < 0):
            raise ValueError("an offset or a size is negative")


def _check_bounds(name: str, bounds: NDArray[Any], count: int, total: int) -> None:
    if len(bounds) != count or bounds[0] != 0 or bounds[-1] != total or (bounds[1:] <= bounds[:-1]).any():
        raise ValueError(f"{name} does not rise from 0 to {total}")


def _pack(names: Sequence[str]) -> tuple[NDArray[np.uint8], Offsets]:
    """Names as bytes, one after another, and where each begins; a name in a shard need not be UTF-8."""
    packed = [name.encode("utf-8", "surrogateescape") for name in names]
    ends = np.cumsum([len(name) for name in packed], dtype=np.int64)
    return np.frombuffer(b"".join(packed), dtype=np.uint8), offsets_column(ends)


def _split(name: str) -> tuple[str, str]:
    """Key and extension of a name that has both, as all in an index have."""
    split = split_name(name)
    if split is None:
        raise ValueError(f"{name!r} has no extension")
    return split
