"""Whose turn it is in a mixture, and which positions of its own each dataset is to read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aistorch.order.mixed_sequence import MixedSequence


class Turns(Iterator[int]):
    """The dataset of each sample of a mixture; tells the datasets their positions as far as they ask for them.

    Args:
        sequence: The mixture.
        blocks: Positions of the mixture, some at a time.
    """

    def __init__(self, sequence: MixedSequence, blocks: Iterable[NDArray[np.int64]]) -> None:
        self._sequence, self._blocks = sequence, iter(blocks)
        self._own: list[deque[NDArray[np.int64]]] = [deque() for _ in sequence.sizes]
        self._coming: deque[NDArray[np.int32]] = deque()
        self._now: Iterator[int] = iter(())

    def __next__(self) -> int:
        """Whose turn it is."""
        for number in self._now:
            return number
        if not self._coming and not self._look_up():
            raise StopIteration
        self._now = iter(self._coming.popleft().tolist())
        return next(self._now)

    def blocks_of(self, number: int, size: int) -> Iterator[NDArray[np.int64]]:
        """The positions that a dataset is to read, in blocks that each lie in one of its epochs, of `size` samples."""
        while self._own[number] or self._look_up():
            if self._own[number]:
                block = self._own[number].popleft()
                yield from np.split(block, np.flatnonzero(np.diff(block // size)) + 1)

    def _look_up(self) -> bool:
        """Takes the next block; False where there is none."""
        block = next((each for each in self._blocks if len(each)), None)
        if block is None:
            return False
        datasets, own = self._sequence.locate(block)
        self._coming.append(datasets.astype(np.int32))
        for number in np.unique(datasets).tolist():
            self._own[number].append(own[datasets == number])
        return True
