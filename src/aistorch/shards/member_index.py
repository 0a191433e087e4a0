"""`MemberIndex`: where each file of a shard lies, so that samples can be read without the files before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.errors import DuplicateMemberError, SampleIndexError, ShardIndexError
from aistorch.index.columns import Offsets, offsets_column
from aistorch.shards.foretold import Foretold
from aistorch.shards.grouping import regular_keys, split_name
from aistorch.shards.index_form import LaterVersionError, others_index, packed, unpacked
from aistorch.shards.tar_header import BLOCK

INDEX_SUFFIX = ".idx"
"""The index of a shard is the object of its name with this behind it."""

UNKNOWN_CHECKSUM = 0

# Bytes that the headers of one file may take, so that they are read along with it.
_HEADERS_LIMIT = 1 << 16

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
        heads: By its offset, the name that a content has in the shard, where a link in the shard gave it another one;
            not stored.
    """

    blob: NDArray[np.uint8]
    name_offsets: Offsets
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    shard_size: int
    shard_checksum: int = UNKNOWN_CHECKSUM
    heads: Mapping[int, str] = field(default_factory=dict)

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
    def digest(self) -> int:
        """The xxh64 of all columns, and of the shard's size and checksum."""
        digest = xxhash.xxh64(f"{self._shard}".encode())
        for name in _COLUMNS:
            digest.update(np.ascontiguousarray(getattr(self, name)).data)
        return digest.intdigest()

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns take."""
        return sum(getattr(self, name).nbytes for name in _COLUMNS)

    @cached_property
    def extensions(self) -> tuple[str, ...]:
        """All extensions, in the order in which they first appear."""
        return self._grouped[1]

    @cached_property
    def is_in_order(self) -> bool:
        """Whether the files of each sample stand side by side, so that a range of bytes holds a range of samples."""
        distances = np.diff(self.offsets)
        return bool(((distances > 0) & (distances >= self.sizes[:-1])).all())

    @cached_property
    def foretold(self) -> Foretold:
        """What the headers of its files must say, where the files are in order."""
        return Foretold(self.blob, self.name_offsets, self.offsets, self.sizes)

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

    @cached_property
    def head_starts(self) -> NDArray[np.int64]:
        """Where the headers of each file begin: behind the file before it, unless more than headers is between."""
        order = np.argsort(self.offsets, kind="stable")
        offsets, ends = self.offsets[order], (self.offsets + self.sizes)[order]
        starts = np.zeros(len(order), np.int64)
        starts[1:] = ends[:-1] + (-ends[:-1] & BLOCK - 1)
        is_new = np.diff(offsets, prepend=-1) > 0  # a link has the place of another file
        starts = starts[np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))]
        behind = np.empty_like(starts)
        behind[order] = starts
        room = self.offsets - behind
        return np.where((room >= BLOCK) & (room <= _HEADERS_LIMIT), behind, np.maximum(self.offsets - BLOCK, 0))

    def keys(self) -> list[str]:
        """The key of each sample."""
        return list(self._grouped[0])

    def sample(self, index: int) -> tuple[str, list[File]]:
        """The key of one sample, and its files; negative numbers count from the end.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        members = self.members(index)
        first, stop = members.start, members.stop
        names = [_split(name) for name in self.names(first, stop)]
        offsets, sizes = self.offsets[first:stop].tolist(), self.sizes[first:stop].tolist()
        files = [(name[1], offset, size) for name, offset, size in zip(names, offsets, sizes, strict=True)]
        return names[0][0], files

    def span(self, index: int) -> tuple[int, int]:
        """The range of the shard's bytes, its end not included, that holds all contents of one sample.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        members = self.members(index)
        first, stop = members.start, members.stop
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
        except (ValueError, OverflowError) as error:
            problem = others_index(data) or f"it is damaged, or no index at all ({error}). Write it anew"
            raise ShardIndexError(name, problem) from error
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

    def members(self, index: int) -> slice:
        """Which files are those of one sample; negative numbers count from the end.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        count = len(self)
        if not -count <= index < count:
            raise SampleIndexError(f"index {index} is outside a shard of {count} samples")
        position = index % count
        return slice(int(self.firsts[position]), int(self.firsts[position + 1]))

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
        if members and (self.offsets.min() < BLOCK or self.sizes.min() < 0):
            raise ValueError("an offset or a size is too small")
        if (self.sizes > self.shard_size).any() or (self.offsets > self.shard_size - self.sizes).any():
            raise ValueError("a file lies beyond the end of the shard")
        self._grouped  # noqa: B018  # raises where files and samples do not fit together

    @cached_property
    def _grouped(self) -> tuple[list[str], tuple[str, ...]]:
        """The key of each sample, and all extensions in the order in which they first appear."""
        names, firsts = self.all_names, self.firsts.tolist()
        own = [_split(name)[1] for name in names[: firsts[1]]] if len(self) else []
        if len(own) * len(self) == len(names) and (np.diff(self.firsts) == len(own)).all():
            keys = regular_keys(names, ["." + extension for extension in own]) if names else []
            if keys is not None and len(set(keys)) == len(keys) and len(set(own)) == len(own):
                return keys, tuple(own)
        samples: dict[str, tuple[str, ...]] = {}
        for first, stop in pairwise(firsts):
            split = [_split(name) for name in names[first:stop]]
            key, extensions = split[0][0], tuple(extension for _, extension in split)
            if key in samples or {key} != {each for each, _ in split} or len(set(extensions)) < len(extensions):
                raise ValueError(f"files of sample {key!r} are counted as those of others, or twice")
            samples[key] = extensions
        return list(samples), tuple(dict.fromkeys(each for extensions in samples.values() for each in extensions))


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
