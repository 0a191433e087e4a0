"""The objects of a selection, a page at a time, whatever kind of source it is of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeGuard, TypeVar

from aistore.sdk import AISSource, Bucket
from aistore.sdk.multiobj import ObjectGroup
from aistore.sdk.obj.object import Object

from aistorch.errors import EmptyListingWarning
from aistorch.index.bucket_listing import bucket_pages
from aistorch.index.columns import UNKNOWN_SIZE
from aistorch.index.object_index import ObjectIndex
from aistorch.sources.resolve import Selection, describe

S = TypeVar("S", bound=AISSource)

PAGE_SIZE = 10_000
FOREIGN_PAGE_SIZE = 1_000


def list_pages(selection: Selection, number: int) -> Iterator[ObjectIndex]:
    """List the objects of a selection; no page is empty.

    An SDK bucket is listed in pages of the server's, the next one under way while one is used. An SDK group
    knows its names without a request, and neither sizes nor checksums. Any other source lists itself.

    Args:
        selection: Source and prefix.
        number: The selection's number, for `ObjectIndex.sources`.

    Raises:
        BucketNotFoundError: The bucket does not exist.
        EndpointUnreachableError: Nothing answers.
        AccessDeniedError: The server wants a token, or another one.
        ServerError: It refused otherwise.
    """
    source, prefix = selection.source, selection.prefix
    if is_listed_as(source, Bucket):
        return bucket_pages(source, prefix, number)
    if is_listed_as(source, ObjectGroup):
        return _group_pages(source, prefix, number)
    return _foreign_pages(source, prefix, number)


def is_listed_as(source: AISSource, kind: type[S]) -> TypeGuard[S]:
    """Whether a source lists its objects as the SDK's class does; a subclass may have a way of its own."""
    return getattr(type(source), "list_all_objects_iter", None) is kind.list_all_objects_iter


def warn_of_empty(selection: Selection) -> None:
    """Warn that a selection has turned out to hold no objects."""
    wanted = f"names beginning with {selection.prefix!r}" if selection.prefix else "objects"
    warnings.warn(
        f"{describe(selection.source)} holds no {wanted}: check bucket and prefix",
        EmptyListingWarning,
        stacklevel=3,
    )


def _group_pages(group: ObjectGroup, prefix: str, number: int) -> Iterator[ObjectIndex]:
    # Without properties to fetch, no request is made for each object.
    objects = iter(group.list_all_objects_iter(prefix=prefix, props=None))
    while names := [obj.name for obj in islice(objects, PAGE_SIZE)]:
        yield ObjectIndex.from_names(names, sources=number)


def _foreign_pages(source: AISSource, prefix: str, number: int) -> Iterator[ObjectIndex]:
    objects: Iterator[Object] = iter(_objects(source, prefix))
    while page := list(islice(objects, FOREIGN_PAGE_SIZE)):
        yield ObjectIndex.from_names(
            [obj.name for obj in page],
            sizes=[_known_size(obj) for obj in page],
            sources=number,
            foreign=dict(enumerate(page)),
        )


def _objects(source: AISSource, prefix: str) -> Iterable[Object]:
    return source.list_all_objects_iter(prefix=prefix)


def _known_size(obj: Object) -> int:
    """The size that came with the listing; the SDK has 0 where none did."""
    size = getattr(getattr(obj, "props_cached", None), "size", 0)
    return size if isinstance(size, int) and size > 0 else UNKNOWN_SIZE
