"""Transformers: its own object that shares samples among ranks; its `Trainer` uses those of Accelerate, too."""

from __future__ import annotations

MODULES = ("transformers.trainer_pt_utils",)
SHARE_AMONG_RANKS = ("IterableDatasetShard",)
COUNT_ITERATIONS: tuple[str, ...] = ()
