"""Indices written beside shards that have none, such as those that another program has made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aistorch.config import ReadConfig
from aistorch.errors import InvalidArgumentError, ShardError
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.index.build import build_index
from aistorch.shards.catalog import Catalog
from aistorch.shards.member_index import INDEX_SUFFIX
from aistorch.sources.resolve import resolve_sources


class IndexedShard(NamedTuple):
    """What came of one shard.

    Attributes:
        shard: Its URL.
        samples: How many it has; 0 where it cannot have an index.
        written: Whether its index was written now; else it was there, or cannot be.
        problem: Why it cannot have one.
    """

    shard: str
    samples: int
    written: bool
    problem: str = ""


def write_indices(url: str, endpoint: str | None = None) -> Iterator[IndexedShard]:
    """Writes an index beside each shard that lacks one, or has one of an earlier version; reads such a shard once.

    Args:
        url: `ais://bucket/prefix`.
        endpoint: The cluster's proxy; the environment variable `AIS_ENDPOINT` by default.

    Yields:
        What came of each shard, in the order of the listing.

    Raises:
        AIStorchError: The bucket cannot be listed, a shard not read, or an index not written.
    """
    found = resolve_sources(None, None, client_url=endpoint, urls_list=url, owner="write_indices")
    selections = found.selections()
    bucket = bucket_of(selections[0].source)
    if bucket is None:
        raise InvalidArgumentError(f"{url} is no bucket: an index can be written into one only")
    catalog = Catalog(Reader([bucket], ReadConfig()), build_index(selections))
    for number in range(len(catalog.shards)):
        index = catalog.index(number)
        written = index is None
        if index is None:
            try:
                index = catalog.made_index(number)
            except ShardError as error:
                yield IndexedShard(catalog.url(number), 0, False, str(error))
                continue
            bucket.object(catalog.shards.name(number) + INDEX_SUFFIX).get_writer().put_content(index.to_bytes())
        yield IndexedShard(catalog.url(number), len(index), written)
