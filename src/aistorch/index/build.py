"""The index of a whole dataset."""

from __future__ import annotations

from collections.abc import Iterable

from aistorch.index.listing import list_pages, warn_of_empty
from aistorch.index.object_index import ObjectIndex
from aistorch.progress import Progress
from aistorch.sources.resolve import Selection


def build_index(selections: Iterable[Selection], *, progress: Progress | None = None) -> ObjectIndex:
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
    return ObjectIndex.concat(pages)
