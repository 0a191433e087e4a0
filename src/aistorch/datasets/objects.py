"""Objects of an index as the SDK's own, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_index
from typing import overload

import numpy as np
from aistore.sdk import AISSource
from aistore.sdk.const import AIS_OBJ_NAME, HEADER_CONTENT_LENGTH
from aistore.sdk.obj.object import Object
from aistore.sdk.obj.object_props import ObjectProps
from numpy.typing import NDArray
from requests.structures import CaseInsensitiveDict

from aistorch.fetch.reader import bucket_of
from aistorch.index.object_index import ObjectIndex


class ObjectSequence(Sequence[Object]):
    """A sequence of SDK objects that stores none of them.

    Args:
        index: What was listed.
        sources: By the number that `index.sources` holds.
    """

    def __init__(self, index: ObjectIndex, sources: Sequence[AISSource]) -> None:
        self._index = index
        self._sources = sources

    def __len__(self) -> int:
        return len(self._index)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each object, -1 where the listing did not tell."""
        return self._index.sizes

    @overload
    def __getitem__(self, position: int) -> Object: ...

    @overload
    def __getitem__(self, position: slice) -> ObjectSequence: ...

    def __getitem__(self, position: int | slice) -> Object | ObjectSequence:
        if isinstance(position, slice):
            return ObjectSequence(self._index[position], self._sources)
        position = as_index(position)
        name = self._index.name(position)  # refuses what lies outside
        position %= len(self._index)
        bucket = bucket_of(self._sources[self._index.sources[position]])
        if bucket is None:
            return self._index.foreign[position]
        return bucket.object(name, self._props(name, int(self._index.sizes[position])))

    def _props(self, name: str, size: int) -> ObjectProps | None:
        if size < 0:
            return None
        return ObjectProps(CaseInsensitiveDict({AIS_OBJ_NAME: name, HEADER_CONTENT_LENGTH: size}))
