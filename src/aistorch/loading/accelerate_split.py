"""Whether Hugging Face's Accelerate shares the batches of a sampler among the ranks."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from aistorch.errors import InvalidArgumentError
from aistorch.loading.ranks import World
from aistorch.order.partition import Even

_MODULE = "accelerate.data_loader"


def split_by_accelerate(even: Even) -> World | None:
    """The ranks among which the caller's batches are dealt in turn by someone who asks for all of them, or None.

    `Accelerator.prepare` puts a `BatchSamplerShard` around the batch sampler of any map-style dataset, and nothing that
    a sampler could say prevents it. A sampler that shares by itself would be shared twice, so it looks at who asks:
    the shard is among the callers of the `next` and `len` of what it shares.

    Args:
        even: What the sampler does with batches that are too few for all ranks.

    Raises:
        InvalidArgumentError: The way in which Accelerate is set would cut batches or repeat some.
    """
    module = sys.modules.get(_MODULE)
    if module is None:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self") if frame.f_globals.get("__name__") == _MODULE else None
        if isinstance(caller, module.BatchSamplerShard):
            return _of_shard(caller, even)
        if isinstance(caller, module.DataLoaderDispatcher):
            raise InvalidArgumentError(
                "with dispatch_batches=True Accelerate joins batches and cuts them anew, so that they are not those of "
                "the sampler: use Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False))"
            )
        frame = frame.f_back
    return None


def _of_shard(shard: Any, even: Even) -> World:
    if even == "off" and shard.even_batches:
        raise InvalidArgumentError(
            "Accelerate repeats batches until all ranks have as many, and even is 'off': use Accelerator("
            "dataloader_config=DataLoaderConfiguration(even_batches=False)), or even='pad' or 'drop'"
        )
    return World(shard.process_index, shard.num_processes)
