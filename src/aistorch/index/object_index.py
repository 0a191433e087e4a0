"""`ObjectIndex`: what is known of all objects of a dataset, in numpy columns, 50 to 100 bytes an object."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from operator import index as as_index
from typing import TYPE_CHECKING, SupportsIndex, overload

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, SampleIndexError
from aistorch.index.columns import (
    UNKNOWN_CHECKSUM,
    UNKNOWN_SIZE,
    UNKNOWN_TARGET,
    Offsets,
    TargetColumn,
    filled_column,
    gather,
    offsets_column,
    pack_names,
    target_column,
)
from aistorch.index.index_file import read_columns, write_columns
from aistorch.index.selecting import ListedObject, as_positions

if TYPE_CHECKING:
    from aistore.sdk.obj.object import Object


@dataclass(frozen=True, eq=False)
class ObjectIndex:
    """What was listed, in columns; position i of each is object i. Nothing in it can be changed.

    Plain arrays hold no Python objects, so forked workers share them without copying a page of memory, and a
    pickle is as large as the columns.

    Attributes:
        blob: All names in UTF-8, one after another.
        offsets: Where each name begins in `blob`, and where the last one ends: one more than objects.
        sizes: Bytes of each object, -1 where the listing did not tell.
        checksums: xxh64 of each object's content as listed, 0 where that is unknown.
        targets: Which of `target_ids` held the object when it was listed, -1 where the listing did not tell.
        sources: Number of the selection that the object was listed by (`Sources.selections()`).
        target_ids: Daemon ids of the targets.
        foreign: By position, the SDK objects of sources that are neither an SDK bucket nor a group, as these
            sources gave them: only they know how to read them. The one part that holds Python objects.
        source_urls: By the number in `sources`, the URL of what was listed, "" where it has none; or empty.
    """

    blob: NDArray[np.uint8]
    offsets: Offsets
    sizes: NDArray[np.int64]
    checksums: NDArray[np.uint64]
    targets: TargetColumn
    sources: NDArray[np.int32]
    target_ids: tuple[str, ...] = ()
    foreign: Mapping[int, Object] = field(default_factory=dict)
    source_urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, column in self._columns().items():
            view = column.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @classmethod
    def from_names(
        cls,
        names: Sequence[str],
        *,
        sizes: ArrayLike = UNKNOWN_SIZE,
        checksums: ArrayLike = UNKNOWN_CHECKSUM,
        targets: ArrayLike = UNKNOWN_TARGET,
        sources: ArrayLike = 0,
        target_ids: Sequence[str] = (),
        foreign: Mapping[int, Object] | None = None,
        source_urls: Sequence[str] = (),
    ) -> ObjectIndex:
        """An index of these names; any other column is a sequence as long, or one value for all."""
        count = len(names)
        return cls(
            *pack_names(names),
            filled_column(sizes, np.int64, count),
            filled_column(checksums, np.uint64, count),
            target_column(targets, len(target_ids), count),
            filled_column(sources, np.int32, count),
            tuple(target_ids),
            dict(foreign or {}),
            tuple(source_urls),
        )

    @classmethod
    def concat(cls, parts: Sequence[ObjectIndex]) -> ObjectIndex:
        """The objects of all parts, in order; of no parts, an empty index."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.from_names([])
        target_ids = tuple(dict.fromkeys(target for part in parts for target in part.target_ids))
        firsts = np.cumsum([0, *(len(part) for part in parts)])
        return cls(
            np.concatenate([part.blob for part in parts]),
            offsets_column(np.cumsum(np.concatenate([np.diff(part.offsets) for part in parts]), dtype=np.int64)),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.checksums for part in parts]),
            np.concatenate([part._recoded_targets(target_ids) for part in parts]),
            np.concatenate([part.sources for part in parts]),
            target_ids,
            {
                first + position: obj
                for first, part in zip(firsts.tolist(), parts, strict=False)
                for position, obj in part.foreign.items()
            },
            parts[0].source_urls if len({part.source_urls for part in parts}) == 1 else (),
        )

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns take, `foreign` left out."""
        return sum(column.nbytes for column in self._columns().values())

    def name(self, index: int) -> str:
        """The name of one object; negative numbers count from the end.

        Raises:
            SampleIndexError: `index` lies outside.
        """
        position = self._position(index)
        return self.blob[self.offsets[position] : self.offsets[position + 1]].tobytes().decode()

    def names(self, start: int = 0, stop: int | None = None) -> list[str]:
        """The names of objects `start` to `stop` (not included; None: all the rest)."""
        data, offsets = self.name_blob(start, stop)
        ends = offsets.tolist()
        text = data.decode()
        if len(text) == len(data):  # ASCII: a character is a byte
            return [text[begin:end] for begin, end in pairwise(ends)]
        return [data[begin:end].decode() for begin, end in pairwise(ends)]

    def name_blob(self, start: int = 0, stop: int | None = None) -> tuple[bytes, Offsets]:
        """The names of objects `start` to `stop` in UTF-8, one after another, and the offsets, from 0."""
        start, stop, _ = slice(start, stop).indices(len(self))
        offsets = self.offsets[start : max(start, stop) + 1]
        return self.blob[offsets[0] : offsets[-1]].tobytes(), offsets - offsets[0]

    def checksum(self, index: int) -> int | None:
        """The xxh64 of one object as it was listed, None where that is unknown."""
        return int(self.checksums[self._position(index)]) or None

    def target(self, index: int) -> str | None:
        """The id of the target that held one object when it was listed, None where that is unknown."""
        code = int(self.targets[self._position(index)])
        return None if code == UNKNOWN_TARGET else self.target_ids[code]

    def take(self, indices: ArrayLike) -> ObjectIndex:
        """The objects at these positions, in this order; a position may occur more than once.

        Args:
            indices: Positions, whole numbers; or a boolean mask, one truth value for each object.

        Raises:
            SampleIndexError: A position lies outside; negative ones do, too. Or a mask has another length.
            ArgumentTypeError: They are neither whole numbers nor truth values.
        """
        positions = as_positions(indices, len(self))
        if len(positions):
            for extreme in (int(positions.min()), int(positions.max())):
                if not 0 <= extreme < len(self):
                    raise SampleIndexError(f"position {extreme} is outside an index of {len(self)} objects")
        return ObjectIndex(
            *gather(self.blob, self.offsets, positions),
            self.sizes[positions],
            self.checksums[positions],
            self.targets[positions],
            self.sources[positions],
            self.target_ids,
            self._foreign_at(positions),
            self.source_urls,
        )

    @overload
    def __getitem__(self, part: slice) -> ObjectIndex: ...

    @overload
    def __getitem__(self, part: SupportsIndex) -> ListedObject: ...

    def __getitem__(self, part: slice | SupportsIndex) -> ObjectIndex | ListedObject:
        """Part of the objects, or what is known of one; a slice without a step shares memory with the whole.

        Raises:
            SampleIndexError: A number lies outside; negative ones count from the end.
            ArgumentTypeError: It is neither a number nor a slice; `take` wants positions and masks.
        """
        if not isinstance(part, slice):
            return self._object(part)
        start, stop, step = part.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))
        stop = max(start, stop)
        offsets = self.offsets[start : stop + 1].astype(np.int64)
        return ObjectIndex(
            self.blob[offsets[0] : offsets[-1]],
            offsets_column(offsets[1:] - offsets[0]),
            self.sizes[start:stop],
            self.checksums[start:stop],
            self.targets[start:stop],
            self.sources[start:stop],
            self.target_ids,
            self._foreign_at(np.arange(start, stop)),
            self.source_urls,
        )

    def __eq__(self, other: object) -> bool:
        """Whether the same is known of the same objects in the same order, whatever the codes of targets."""
        if not isinstance(other, ObjectIndex):
            return NotImplemented
        target_ids = tuple(dict.fromkeys((*self.target_ids, *other.target_ids)))
        columns = zip(self._comparable(target_ids), other._comparable(target_ids), strict=True)
        same = all(np.array_equal(mine, others) for mine, others in columns)
        return same and self.foreign.keys() == other.foreign.keys()

    __hash__ = None  # type: ignore[assignment]

    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell whether a dataset is still the one that a position was saved in.

        They cover names, sizes, sources and order. Targets and checksums are left out: they change when a
        cluster moves an object or first caches it, which makes it no other dataset. Computed once: a position may be
        saved after every batch.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = xxhash.xxh3_128()
        for column in (
            self.offsets.astype("<u8"),
            self.blob,
            self.sizes.astype("<i8"),
            self.sources.astype("<i4"),
        ):
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the index to a file, from which another process can `load` it in place of a listing.

        What is there already is replaced once the new file is complete.

        Raises:
            InvalidArgumentError: An object is of a source that is no bucket, which alone knows how to read it.
            OSError: The file cannot be written.
        """
        used = np.flatnonzero(np.bincount(self.sources)).tolist()
        urls = dict(enumerate(self.source_urls))
        if self.foreign or not all(urls.get(source) for source in used):
            raise InvalidArgumentError(
                "this index cannot be saved, since it has objects of which no URL of a bucket is known: save the "
                "`index` of a dataset whose sources are buckets or URLs"
            )
        about = {"source_urls": list(self.source_urls), "target_ids": list(self.target_ids)}
        write_columns(path, self._columns(), about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ObjectIndex:
        """The index that was saved; its columns are mapped from the file, not copied into memory.

        No code in the file is run. It may be replaced while the index is used, not changed in place.

        Raises:
            IndexFileError: The file holds no index, a damaged one, or one of a later version; a `ValueError`, too.
            OSError: The file cannot be read; `FileNotFoundError` where there is none.
        """
        columns, about = read_columns(path)
        return cls(
            columns["blob"],
            columns["offsets"],
            columns["sizes"],
            columns["checksums"],
            columns["targets"],
            columns["sources"],
            target_ids=tuple(about["target_ids"]),
            source_urls=tuple(about["source_urls"]),
        )

    def __reduce__(self) -> tuple[type[ObjectIndex], tuple[object, ...]]:
        return ObjectIndex, tuple(getattr(self, column.name) for column in fields(self))

    def __repr__(self) -> str:
        return f"ObjectIndex({len(self)} objects, {self.nbytes} bytes)"

    def _columns(self) -> dict[str, NDArray[np.generic]]:
        return {column.name: getattr(self, column.name) for column in fields(self)[:6]}

    def _object(self, number: SupportsIndex) -> ListedObject:
        try:
            position = self._position(as_index(number))
        except TypeError:
            kind = type(number).__name__
            text = (
                f"an index of objects is asked for a number or a slice, not {kind}; use take() for positions and masks"
            )
            raise ArgumentTypeError(text) from None
        size, source = int(self.sizes[position]), int(self.sources[position])
        return ListedObject(self.name(position), size, self.checksum(position), self.target(position), source)

    def _comparable(self, target_ids: tuple[str, ...]) -> list[NDArray[np.generic]]:
        return list((self._columns() | {"targets": self._recoded_targets(target_ids)}).values())

    def _position(self, index: int) -> int:
        count = len(self)
        if not -count <= index < count:
            raise SampleIndexError(f"index {index} is outside a dataset of {count} objects")
        return index % count

    def _foreign_at(self, positions: NDArray[np.int64]) -> dict[int, Object]:
        if not self.foreign:
            return {}
        return {new: self.foreign[old] for new, old in enumerate(positions.tolist()) if old in self.foreign}

    def _recoded_targets(self, target_ids: tuple[str, ...]) -> TargetColumn:
        """The column of targets, its codes meaning `target_ids`, which has all that are in use here."""
        if self.target_ids == target_ids[: len(self.target_ids)]:
            return self.targets
        codes = {target: code for code, target in enumerate(target_ids)}
        # Position -1, the last, keeps unknown unknown.
        table = np.array([*(codes[target] for target in self.target_ids), UNKNOWN_TARGET])
        return target_column(table[self.targets], len(target_ids), len(self))
