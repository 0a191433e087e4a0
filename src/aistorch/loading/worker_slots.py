"""Which part of a dataset a DataLoader worker reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import get_worker_info

from aistorch.index.object_index import ObjectIndex


class Share(NamedTuple):
    """Worker `worker` of `workers`; a process that is no worker is the only one."""

    worker: int = 0
    workers: int = 1

    @classmethod
    def of_this_process(cls) -> Share:
        """That of the process that asks."""
        info = get_worker_info()
        return cls() if info is None else cls(info.id, info.num_workers)

    def of_pages(self, pages: Iterable[ObjectIndex], batch_size: int = 1) -> Iterator[ObjectIndex]:
        """Every `workers`-th batch of the objects of all pages, beginning with number `worker`."""
        if self.workers == 1:
            yield from pages
            return
        seen = 0
        for page in pages:
            batches = np.arange(seen, seen + len(page)) // batch_size
            seen += len(page)
            part = page.take(np.flatnonzero(batches % self.workers == self.worker))
            if len(part):
                yield part
