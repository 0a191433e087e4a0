"""Sizes of objects that were named, not listed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError

from aistorch.index.columns import UNKNOWN_SIZE
from aistorch.index.endpoint import translate
from aistorch.index.object_index import ObjectIndex

_AT_ONCE = 16


def with_sizes(index: ObjectIndex, buckets: Sequence[Bucket | None]) -> ObjectIndex:
    """The same objects, each with its size; where the listing did not tell it, the server is asked for that object.

    Args:
        index: What was listed.
        buckets: By the number that `index.sources` holds; nothing is asked of None.

    Returns:
        ObjectIndex: The size of an object that the server does not tell either stays unknown: reading it says why.

    Raises:
        EndpointUnreachableError: Nothing answers.
    """
    asked = [(position, buckets[index.sources[position]]) for position in np.flatnonzero(index.sizes == UNKNOWN_SIZE)]
    wanted = [(position, bucket) for position, bucket in asked if bucket is not None]
    if not wanted:
        return index
    sizes = index.sizes.copy()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda each: _size_of(each[1], index.name(each[0])), wanted)
        sizes[[position for position, _ in wanted]] = list(found)
    return replace(index, sizes=sizes)


def _size_of(bucket: Bucket, name: str) -> int:
    try:
        return int(bucket.object(name).props.size)
    except AISError:
        return UNKNOWN_SIZE
    except requests.RequestException as error:
        raise translate(error, bucket) from error
