"""The index of a whole dataset: listed, or given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.index.listing import list_pages, warn_of_empty
from aistorch.index.object_index import ObjectIndex
from aistorch.progress import Progress
from aistorch.sources.resolve import Selection


def build_index(selections: Sequence[Selection], *, progress: Progress | None = None) -> ObjectIndex:
    """List all objects of all selections, in order; `progress` counts them and their bytes.

    Warns:
        EmptyListingWarning: A selection holds no objects.
    """
    pages: list[ObjectIndex] = []
    for number, selection in enumerate(selections):
        before = len(pages)
        for page in list_pages(selection, number):
            pages.append(page)
            if progress is not None:
                progress.update(int(page.sizes.clip(0).sum()), len(page))
        if len(pages) == before:
            warn_of_empty(selection)
    return whole_index(pages, selections)


def whole_index(pages: Sequence[ObjectIndex], selections: Sequence[Selection]) -> ObjectIndex:
    """All pages of a listing as one index, which tells what was listed."""
    return replace(ObjectIndex.concat(pages), source_urls=_urls(selections))


def check_index(index: ObjectIndex, selections: Sequence[Selection], owner: str) -> None:
    """Refuses an index that is not of these selections, as far as their URLs tell.

    Raises:
        ArgumentTypeError: It is no index.
        InvalidArgumentError: It is of other ones, or one of them has no URL.
    """
    if not isinstance(index, ObjectIndex):
        raise ArgumentTypeError(
            f"{owner}: index must be an ObjectIndex such as ObjectIndex.load('train.index'), not {type(index).__name__}"
        )
    urls = _urls(selections)
    for selection, url in zip(selections, urls, strict=True):
        if not url:
            raise InvalidArgumentError(f"{owner}: index= is for buckets, and {selection} is none: leave index out")
    if index.source_urls != urls:
        raise InvalidArgumentError(
            f"{owner}: the index is of {', '.join(index.source_urls) or 'unknown sources'}, and the dataset of "
            f"{', '.join(urls)}: give the same sources, prefixes and order, or make the index anew"
        )


def _urls(selections: Sequence[Selection]) -> tuple[str, ...]:
    return tuple(selection.url for selection in selections)
