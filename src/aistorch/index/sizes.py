"""Sizes and checksums of objects that were named, not listed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError

from aistorch.index.columns import UNKNOWN_CHECKSUM, UNKNOWN_SIZE, parse_checksums
from aistorch.index.endpoint import shown_cause, translate
from aistorch.index.object_index import ObjectIndex

_AT_ONCE = 16


def with_sizes(index: ObjectIndex, buckets: Sequence[Bucket | None]) -> ObjectIndex:
    """The same objects, each with its size; where the listing did not tell it, the server is asked for that object.

    With the size comes the checksum, where the server keeps one.

    Args:
        index: What was listed.
        buckets: By the number that `index.sources` holds; nothing is asked of None.

    Returns:
        ObjectIndex: What the server does not tell of an object either stays unknown: reading it says why.

    Raises:
        EndpointUnreachableError: Nothing answers.
    """
    asked = [(position, buckets[index.sources[position]]) for position in np.flatnonzero(index.sizes == UNKNOWN_SIZE)]
    wanted = [(position, bucket) for position, bucket in asked if bucket is not None]
    if not wanted:
        return index
    sizes, checksums = index.sizes.copy(), index.checksums.copy()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda each: _size_and_checksum(each[1], index.name(each[0])), wanted))
    positions = [position for position, _ in wanted]
    sizes[positions], checksums[positions] = zip(*found, strict=True)
    return replace(index, sizes=sizes, checksums=checksums)


def _size_and_checksum(bucket: Bucket, name: str) -> tuple[int, int]:
    try:
        props = bucket.object(name).props
    except AISError:
        return UNKNOWN_SIZE, UNKNOWN_CHECKSUM
    except requests.RequestException as error:
        raise translate(error, bucket) from shown_cause(error, bucket)
    return int(props.size), int(parse_checksums([props.checksum_value])[0])
