"""Requests for a page of the index: all that is the same for many objects is made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import numpy as np
from aistore.sdk import Bucket
from aistore.sdk.etl import ETLConfig
from numpy.typing import NDArray

from aistorch.fetch.cluster import Cluster
from aistorch.fetch.request import UNKNOWN_SIZE, VERSION, Request
from aistorch.index.columns import UNKNOWN_CHECKSUM
from aistorch.index.object_index import ObjectIndex

# What `quote` leaves as it is, the slash included.
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/"


@dataclass(frozen=True, slots=True)
class Route:
    """What all GETs of one bucket have in common.

    Attributes:
        before: Request line up to the object's name.
        after: The query and the version of HTTP.
        label: The bucket as errors show it, with a slash at the end.
        uname: What stands before the name when placement is computed.
        direct: Whether targets may be asked; an ETL runs behind the proxy.
    """

    before: bytes
    after: bytes
    label: str
    uname: bytes
    direct: bool

    @classmethod
    def of_bucket(cls, bucket: Bucket, etl: ETLConfig | None = None) -> Route:
        """The route to a bucket's objects, through an ETL where one is named."""
        query = dict(bucket.qparam)
        if etl is not None and etl.name:
            etl.update_qparams(query)
        namespace = bucket.namespace.get_path() if bucket.namespace else ""
        shown = f"{namespace}/" if namespace else ""
        return cls(
            before=f"GET /v1/objects/{quote(bucket.name)}/".encode(),
            after=f"?{urlencode(query)}".encode() + VERSION,
            label=f"{bucket.provider.value}://{shown}{bucket.name}/",
            uname=bucket.get_path().encode(),
            direct=etl is None or not etl.name,
        )


# Stands in the row of routes for a source whose objects are read in another way.
NO_ROUTE = Route(b"", b"", "", b"", direct=False)


def requests_for(
    page: ObjectIndex, routes: Sequence[Route], cluster: Cluster, first_position: int = 0
) -> Iterator[Request]:
    """Requests for the objects of a page, in its order; `page.sources` are positions in `routes`."""
    names = page.names()
    lines = _lines(page, names, routes)
    targets = _targets(page, names, routes, cluster)
    labels = [route.label for route in routes]
    columns = zip(
        lines,
        _as_listed(page.sizes, UNKNOWN_SIZE, page, routes),
        page.sizes.tolist(),
        _as_listed(page.checksums, UNKNOWN_CHECKSUM, page, routes),
        targets,
        page.sources.tolist(),
        names,
        strict=True,
    )
    for position, (line, size, listed, checksum, target, source, name) in enumerate(columns, first_position):
        yield Request(position, line, size, target, name, labels[source], listed, checksum)


def _lines(page: ObjectIndex, names: list[str], routes: Sequence[Route]) -> list[bytes]:
    blob, _ = page.name_blob()
    quoted = names if not blob.translate(None, _SAFE) else [quote(name) for name in names]
    if len(routes) == 1:
        before, after = routes[0].before, routes[0].after
        return [before + name.encode() + after for name in quoted]
    chosen = [routes[source] for source in page.sources.tolist()]
    return [route.before + name.encode() + route.after for route, name in zip(chosen, quoted, strict=True)]


def _as_listed(
    column: NDArray[np.int64] | NDArray[np.uint64], unknown: int, page: ObjectIndex, routes: Sequence[Route]
) -> list[int]:
    """A column as it is; unknown where an ETL makes something else of the object."""
    plain = np.array([route.direct for route in routes], dtype=np.bool_)
    kept = column if plain.all() else np.where(plain[page.sources], column, column.dtype.type(unknown))
    values: list[int] = kept.tolist()
    return values


def _targets(page: ObjectIndex, names: list[str], routes: Sequence[Route], cluster: Cluster) -> list[str | None]:
    if not cluster.direct:
        return [None] * len(names)
    direct = np.array([route.direct for route in routes], dtype=np.bool_)[page.sources]
    ids = (*page.target_ids, None)  # code -1, the last: unknown
    targets: list[str | None] = [ids[code] for code in np.where(direct, page.targets, -1).tolist()]
    unknown = np.flatnonzero(direct & (page.targets < 0)).tolist()
    if unknown:
        unames = (routes[page.sources[position]].uname + names[position].encode() for position in unknown)
        for position, target in zip(unknown, cluster.placement.targets_of(unames), strict=True):
            targets[position] = target
    return targets
