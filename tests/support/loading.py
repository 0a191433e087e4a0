"""Datasets read by DataLoaders."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader


def load(dataset: Any, workers: int = 0, start: str | None = None, **options: Any) -> list[Any]:
    """All samples of a dataset, by so many workers, in the order in which they come."""
    context = start if workers else None
    loader = DataLoader(dataset, num_workers=workers, multiprocessing_context=context, collate_fn=list, **options)
    batched = options.get("batch_size", 1) is not None
    return [sample for batch in loader for sample in batch] if batched else list(loader)


def error_of(dataset: Any, workers: int = 0, start: str | None = None, **options: Any) -> Exception:
    """What comes of loading it, which must be an error."""
    try:
        load(dataset, workers, start, **options)
    except Exception as error:
        # The traceback would keep the loader and its workers alive.
        return error.with_traceback(None)
    raise AssertionError("no error")
