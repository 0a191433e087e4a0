"""Engines of this process, made when needed, used again, never carried over a fork."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.data import get_worker_info

from aistorch.config import ReadConfig
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Engine
from aistorch.fetch.settings import ClusterSettings

# How long, and how many, engines are kept open for the next reader with the same settings. AIStore closes connections
# after 30 idle seconds; threads that read in turns, often sixteen, take an engine each.
IDLE_SECONDS, MOST_IDLE = 20.0, 16

_Key = tuple[ClusterSettings, ReadConfig, int]


class EnginePool:
    """Lends an engine to one reader at a time, so readers in several threads never share a connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clusters: dict[ClusterSettings, Cluster] = {}
        self._idle: dict[_Key, list[tuple[float, Engine]]] = {}  # and when each was given back, latest last
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
            engine = idle.pop()[1] if idle else Engine(cluster, config, key[2])
            self._engines.add(engine)
        try:
            yield engine
        finally:
            # After a fork the engine belongs to the parent: what was lent in it is closed here, and not kept.
            if engine in self._engines:
                with self._lock:
                    idle.append((time.monotonic(), engine))
                    self._close_idle()

    def _close_idle(self) -> None:
        """Closes the engines that nobody has wanted for a while, and those that are too many."""
        latest = time.monotonic() - IDLE_SECONDS
        for idle in self._idle.values():
            while idle and (idle[0][0] < latest or len(idle) > MOST_IDLE):
                engine = idle.pop(0)[1]
                self._engines.discard(engine)
                engine.close()

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
