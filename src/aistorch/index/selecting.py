"""Choosing among the objects of an index: one of them, or those at some positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aistorch.errors import ArgumentTypeError, SampleIndexError


class ListedObject(NamedTuple):
    """What is known of one object.

    Attributes:
        name: Its name.
        size: Bytes, -1 where the listing did not tell.
        checksum: The xxh64 of its content as listed, None where that is unknown.
        target: Id of the target that held it when it was listed, None where that is unknown.
        source: Number of the selection that it was listed by.
    """

    name: str
    size: int
    checksum: int | None
    target: str | None
    source: int


def as_positions(indices: ArrayLike, count: int) -> NDArray[np.int64]:
    """Positions as they are, or where a mask is true.

    Raises:
        SampleIndexError: A mask is not of this length, or a position too large.
        ArgumentTypeError: They are neither whole numbers nor truth values.
    """
    given = np.asarray(indices).reshape(-1)
    if given.dtype == np.bool_:
        if len(given) != count:
            raise SampleIndexError(f"a mask of {len(given)} truth values does not fit an index of {count} objects")
        return np.flatnonzero(given)
    if len(given) and given.dtype.kind not in "iu":
        raise ArgumentTypeError(f"positions of objects must be whole numbers or a boolean mask, not {given.dtype}")
    if given.dtype == np.uint64 and len(given) and given.max() >= count:  # may not fit into what positions are kept in
        raise SampleIndexError(f"position {given.max()} is outside an index of {count} objects")
    return given.astype(np.int64, copy=False)
