"""The loop that reads: sends requests ahead of the consumer, and hands bodies out in order.

It runs in the consumer's own thread, whenever the consumer asks for more. Between two calls the kernel goes on: replies
to all that is in flight arrive in the sockets' buffers, and no thread competes with the training loop.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from aistorch.config import ReadConfig
from aistorch.errors import AIStorchError
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.request import Request
from aistorch.fetch.transport import Transport
from aistorch.fetch.window import Window

# Objects handed to the consumer between two looks at the network.
RUN_LENGTH = 32
# An object whose size nobody told is taken to be this large until it is there.
ASSUMED_SIZE = 1 << 18
# The mean size follows the last so many objects.
_MEAN_OF = 16

# What a dataset yields: an object's name and its content.
Sample = tuple[str, bytes]


class Engine:
    """Reads one stream of requests at a time; belongs to one thread of one process.

    Args:
        cluster: Where nodes listen.
        config: How to read.
        budget: Bytes in flight or waiting for the consumer, this engine's share.
    """

    def __init__(self, cluster: Cluster, config: ReadConfig, budget: int) -> None:
        self._budget = budget
        self._window = Window(config)
        self._transport = Transport(cluster, config, self)
        self._results: dict[int, bytes | AIStorchError] = {}
        self._admitted: dict[int, Request] = {}  # and not handed out yet
        self._bytes = 0
        self._mean_size = 0.0
        self._arrived = 0

    def read(self, requests: Iterable[Request]) -> list[Sample]:
        """The samples of all requests, in order.

        Raises:
            AIStorchError: One of them could not be read.
        """
        return [sample for run in self.stream(requests) for sample in run]

    def stream(self, requests: Iterable[Request]) -> Iterator[list[Sample]]:
        """The samples of requests in order, in lists of one or more as they become available.

        Requests are taken from the iterable as room comes free; their positions count from 0.

        Raises:
            AIStorchError: An object could not be read; all before it have been handed out.
        """
        source = iter(requests)
        position, more = 0, True
        began, waited = time.monotonic(), 0.0
        try:
            while more or self._admitted:
                more = more and self._admit(source)
                self._transport.send()
                run = self._take_run(position)
                if run:
                    position += len(run)
                    yield run
                elif self._admitted:
                    waited += self._wait_for(position)
                    if self._arrived >= 2 * self._window.in_flight:
                        now = time.monotonic()
                        self._window.observe(self._arrived, now - began, waited)
                        self._arrived, began, waited = 0, now, 0.0
        finally:
            self._transport.abandon()
            self._results.clear()
            self._admitted.clear()
            self._bytes = 0

    def put(self, request: Request, result: bytes | AIStorchError) -> None:
        """Takes what the transport has read."""
        self._results[request.position] = result
        self._arrived += 1

    def close(self) -> None:
        """Closes all connections."""
        self._transport.close()

    def _admit(self, source: Iterator[Request]) -> bool:
        """Takes requests while there is room; returns whether more may come."""
        # Twice what is in flight: the other half are replies that wait for one before them.
        limit = 2 * self._window.in_flight
        admitted = self._admitted
        while len(admitted) < limit and (self._bytes < self._budget or not admitted):
            request = next(source, None)
            if request is None:
                return False
            size = _assumed(request)
            admitted[request.position] = request
            self._bytes += size
            self._mean_size += (size - self._mean_size) / _MEAN_OF if self._mean_size else size
            self._transport.submit(request)
        self._transport.shape(self._window.in_flight, self._mean_size)
        return True

    def _take_run(self, position: int) -> list[Sample]:
        """The samples from `position` on that are there, at most `RUN_LENGTH`."""
        results, admitted = self._results, self._admitted
        run: list[Sample] = []
        while len(run) < RUN_LENGTH:
            result = results.get(position)
            if result is None:
                break
            if isinstance(result, AIStorchError):
                if run:
                    break
                raise result
            request = admitted.pop(position)
            del results[position]
            run.append((request.name, result))
            self._bytes -= _assumed(request)
            position += 1
        return run

    def _wait_for(self, position: int) -> float:
        """Waits until the result at `position` is there or a delayed request is due; returns the seconds it took."""
        began = time.monotonic()
        results, transport = self._results, self._transport
        while position not in results:
            transport.wait()
            transport.send()
        return time.monotonic() - began


def _assumed(request: Request) -> int:
    return request.size if request.size >= 0 else ASSUMED_SIZE
