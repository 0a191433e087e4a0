"""Whether somebody else shares the batches of a sampler among the ranks, as Hugging Face's Accelerate does."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from aistorch.errors import InvalidArgumentError
from aistorch.loading.drivers import outer_rank_split
from aistorch.loading.ranks import World
from aistorch.order.partition import Even


def split_by_others(even: Even) -> World | None:
    """The ranks among which the caller's batches are dealt in turn by someone who asks for all of them, or None.

    `Accelerator.prepare` puts a `BatchSamplerShard` around the batch sampler of a plain `DataLoader`, and nothing that
    a sampler could say prevents it. One that shares by itself would be shared twice, so it looks at who asks.

    Args:
        even: What the sampler does with batches that are too few for all ranks.

    Raises:
        InvalidArgumentError: The way in which Accelerate is set would cut batches or repeat some.
    """
    name = outer_rank_split()
    if not name:
        return None
    if name.endswith(".DataLoaderDispatcher"):
        raise InvalidArgumentError(
            "with dispatch_batches=True Accelerate joins batches and cuts them anew, so that they are not those of "
            "the sampler: use Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False))"
        )
    if not name.endswith(".BatchSamplerShard"):
        return World()  # it deals samples, of all batches
    shard = _caller(name)
    if even == "off" and shard.even_batches:
        raise InvalidArgumentError(
            "Accelerate repeats batches until all ranks have as many, and even is 'off': use Accelerator("
            "dataloader_config=DataLoaderConfiguration(even_batches=False)), or even='pad' or 'drop'"
        )
    return World(shard.process_index, shard.num_processes)


def _caller(name: str) -> Any:
    """The object of this class that is among the callers."""
    module, _, kind = name.rpartition(".")
    frame = inspect.currentframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if isinstance(found, getattr(sys.modules[module], kind)):
            return found
        frame = frame.f_back
    raise LookupError(name)
