"""The order of samples within a gathering of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import xxhash

from aistorch.config import ShuffleConfig
from aistorch.order.permutation import epoch_permutation
from aistorch.shards.pieces import Run

T = TypeVar("T")


@dataclass(slots=True)
class Window(Generic[T]):
    """Samples that are handed out together, in another order than they came in.

    Attributes:
        number: Counted from 0 in the epoch.
        piece: That of its first sample.
        first: How many samples of that piece came before it.
        samples: In the order in which they came.
    """

    number: int
    piece: int
    first: int
    samples: list[T]

    def shuffled(self, seed: int, epoch: int, reader: int) -> list[T]:
        """The samples as they are handed out; depends on what is given, and on the window's number and length."""
        key = xxhash.xxh64_intdigest(f"{seed} {reader} {self.number}".encode()) >> 1
        order = epoch_permutation(len(self.samples), key, epoch)
        return [self.samples[position] for position in order(np.arange(len(self.samples))).tolist()]


def windows(
    runs: Iterable[Run[T]], config: ShuffleConfig, size_of: Callable[[T], int], number: int = 0
) -> Iterator[Window[T]]:
    """Gathers samples, each of so many bytes; the first window has this number."""
    window: Window[T] | None = None
    size = 0
    for run in runs:
        for position, sample in enumerate(run.samples, run.first):
            if window is None:
                window, size = Window(number, run.piece, position, []), 0
            window.samples.append(sample)
            size += size_of(sample)
            if len(window.samples) == config.buffer or size >= config.max_bytes:
                yield window
                window, number = None, number + 1
    if window is not None:
        yield window
