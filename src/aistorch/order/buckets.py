"""Samples of like cost, put into the same bucket."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aistorch.order.packing import Costs


def bucket_edges(costs: Costs, buckets: int) -> Costs:
    """Up to which cost each bucket goes, the last one left out, which has no end.

    All buckets cost about as much, so that the costly samples, of which there are few, are told apart more finely: a
    batch has few of them, and pads the more for it. Samples of the same cost are in the same bucket, so that there may
    be fewer buckets.

    Args:
        costs: Of all samples.
        buckets: How many buckets.
    """
    ordered: Costs = costs[np.argsort(costs)]
    sums = np.cumsum(ordered, dtype=np.float64)
    if buckets < 2 or not len(sums):
        return ordered[:0]
    cuts = sums.searchsorted(sums[-1] * (np.arange(1, buckets) / buckets))
    return np.unique(ordered[cuts.clip(max=len(ordered) - 1)])


def by_bucket(costs: Costs, edges: Costs) -> NDArray[np.int64]:
    """The positions of all samples, those of a bucket together, in their order."""
    numbers = edges.searchsorted(costs)
    # numpy sorts small integers by their digits, ten times as fast.
    return np.argsort(numbers.astype(np.min_scalar_type(len(edges))), kind="stable")
