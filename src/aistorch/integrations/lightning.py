"""Lightning and Fabric: what they put around a batch sampler, and who counts epochs."""

from __future__ import annotations

import sys
from typing import Any

MODULES = ("lightning.fabric.wrappers", "lightning_fabric.wrappers")
SHARE_AMONG_RANKS: tuple[str, ...] = ()
COUNT_ITERATIONS = ("_FabricDataLoader",)
"""Classes that pass `set_epoch` the number of their own iterations, which begins at 0 after a resume, too."""

_NOTES_INDICES = "_IndexBatchSamplerWrapper"
_WHERE = ("lightning.pytorch.overrides.distributed", "pytorch_lightning.overrides.distributed")


def predicted_batches(batch_sampler: Any) -> Any:
    """The batch sampler inside the object by which Lightning notes which samples it predicts; None without such one."""
    for name in _WHERE:
        wrapper = getattr(sys.modules.get(name), _NOTES_INDICES, None)
        if wrapper is not None and type(batch_sampler) is wrapper:
            return batch_sampler._batch_sampler
    return None
