"""Engines of this process, made when needed, used again, never carried over a fork."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.data import get_worker_info

from aistorch.config import ReadConfig
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Engine
from aistorch.fetch.settings import ClusterSettings

_Key = tuple[ClusterSettings, ReadConfig, int]


class EnginePool:
    """Lends an engine to one reader at a time, so readers in several threads never share a connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clusters: dict[ClusterSettings, Cluster] = {}
        self._idle: dict[_Key, list[Engine]] = {}
        self._engines: weakref.WeakSet[Engine] = weakref.WeakSet()

    def cluster(self, settings: ClusterSettings) -> Cluster:
        """The view of a cluster that all engines of this process share."""
        with self._lock:
            if settings not in self._clusters:
                self._clusters[settings] = Cluster(settings)
            return self._clusters[settings]

    @contextmanager
    def lend(self, settings: ClusterSettings, config: ReadConfig) -> Iterator[Engine]:
        """An engine with this process's share of the byte budget, until the end of the block."""
        key = (settings, config, max(1, config.budget // _readers()))
        cluster = self.cluster(settings)
        with self._lock:
            idle = self._idle.setdefault(key, [])
            engine = idle.pop() if idle else Engine(cluster, config, key[2])
            self._engines.add(engine)
        try:
            yield engine
        finally:
            # After a fork the engine belongs to the parent: what was lent in it is closed here, and not kept.
            if engine in self._engines:
                with self._lock:
                    idle.append(engine)

    def clear(self) -> None:
        """Closes all engines; those still lent end with an error."""
        engines = list(self._engines)
        self.__init__()  # type: ignore[misc]  # locks too: after a fork another thread may have held one
        for engine in engines:
            engine.close()


def _readers() -> int:
    """How many processes share the byte budget: a DataLoader's workers, or this one alone."""
    worker = get_worker_info()
    return 1 if worker is None else worker.num_workers


engines = EnginePool()
os.register_at_fork(after_in_child=engines.clear)
atexit.register(engines.clear)
