"""A small iterable dataset without a server, which shuffles, and goes on where it stopped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

Sample = tuple[str, int, int]


class Numbers(IterableDataset[Sample]):
    """Yields `(name, epoch, number)` for each of its numbers, in another order each epoch; no class of the package."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self.epoch = name, size, 0
        self._begin_with = self._taken = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Sample]:
        self._taken, self._begin_with = self._begin_with, 0
        numbers = list(range(self.size))
        random.Random(f"{self.name}{self.epoch}").shuffle(numbers)
        info = get_worker_info()
        own = numbers if info is None else numbers[info.id :: info.num_workers]
        for number in own[self._taken :]:
            self._taken += 1
            yield self.name, self.epoch, number

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self._begin_with = state["epoch"], state["taken"]
