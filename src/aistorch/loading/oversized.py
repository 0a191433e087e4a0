"""The warning of samples that no batch may have."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import OversizedSampleWarning
from aistorch.loading.costs import lists_objects, own_sizes
from aistorch.order.batches import BatchPlan

_NAMED = 3


def warn_of_oversized(dataset: Any, plan: BatchPlan, *, of_bytes: bool) -> None:
    """Warns of the samples that are left out, and names the first of them; to be called by a constructor."""
    limit = min(plan.limit, plan.padded)
    oversized = np.flatnonzero(plan.costs > limit)
    if not len(oversized):
        return
    name = "max_batch_size" if limit == plan.limit else "max_padded_cost"
    kind, named = _first(dataset, oversized[:_NAMED])
    more = ", ..." if len(oversized) > _NAMED else ""
    excess = f"are larger than {name} ({limit:,} bytes)" if of_bytes else f"cost more than {name} ({limit:,})"
    warnings.warn(
        f"{len(oversized)} of {len(plan.costs)} {kind} {excess} and left out: {named}{more}. "
        "allow_oversized_samples=True makes a batch of each of them",
        OversizedSampleWarning,
        stacklevel=3,
    )


def _first(dataset: Any, positions: NDArray[np.int64]) -> tuple[str, str]:
    if own_sizes(dataset) is None and lists_objects(dataset):
        objects = dataset.get_obj_list()
        return "objects", ", ".join(objects[position].name for position in positions.tolist())
    return "samples", ", ".join(f"number {position}" for position in positions.tolist())
