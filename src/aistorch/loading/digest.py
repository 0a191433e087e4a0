"""A digest of a batch, to know it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
import xxhash


def digest(batch: Any) -> str:
    """The same for the same batch, in any process: tensors, arrays, texts, bytes, numbers, and containers of them.

    Of anything else its class counts, and nothing that is in it.
    """
    state = xxhash.xxh3_64()
    _add(state, batch)
    return state.hexdigest()


def _add(state: xxhash.xxh3_64, value: Any) -> None:
    state.update(f"<{type(value).__name__}>".encode())
    if isinstance(value, torch.Tensor):
        _add(state, value.detach().cpu().numpy() if value.dtype != torch.bfloat16 else value.detach().float())
    elif isinstance(value, np.ndarray):
        state.update(f"{value.shape}{value.dtype}".encode())
        state.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (bytes, bytearray, memoryview)):
        state.update(value)
    elif isinstance(value, (str, int, float, complex, bool, type(None), np.generic)):
        state.update(repr(value).encode("utf-8", "surrogateescape"))
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _add(state, key)
            _add(state, part)
    elif isinstance(value, Sequence):
        for part in value:
            _add(state, part)
    elif is_dataclass(value):
        for field in fields(value):
            _add(state, getattr(value, field.name))
