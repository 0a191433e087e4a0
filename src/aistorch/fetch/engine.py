"""The loop that reads: sends requests ahead of the consumer, and hands bodies out in order.

It runs in the consumer's own thread, whenever the consumer asks for more. Between two calls the kernel goes on: replies
to all that is in flight arrive in the sockets' buffers, and no thread competes with the training loop.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator

from aistorch.config import ReadConfig
from aistorch.errors import AIStorchError, ForkedIteratorError, ReadError, SlowReadWarning
from aistorch.fetch.body import Content
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.request import UNKNOWN_SIZE, Request
from aistorch.fetch.transport import Transport
from aistorch.fetch.window import Window

# Objects handed to the consumer between two looks at the network.
RUN_LENGTH = 32
# An object of which nobody told any size is taken to be this large until it is there.
ASSUMED_SIZE = 1 << 18
# Seconds after which it is told that, and for what, the consumer has to wait; and then after each so many.
TELLING_AFTER, TELLING_AGAIN = 10.0, 30.0
# Ranges that an object is split into from `ReadConfig.split_from` on, in bytes.
PART_SIZE = 8 << 20
_FORKED = (
    "this iterator belongs to the process that was forked, and its connections with it; make another one here, by "
    "iter(dataset)"
)
# A run holds at most this fraction of the byte budget, or one object.
_RUN_SHARE = 8
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
        self._split_from = config.split_from
        self._window = Window(config)
        self._transport = Transport(cluster, config, self)
        self._results: dict[int, Content | AIStorchError] = {}
        self._admitted: dict[int, Request] = {}  # and not handed out yet
        self._bytes = 0
        self._mean_size = 0.0
        self._arrived = 0
        self._closed = False

    def read(self, requests: Iterable[Request]) -> list[Sample]:
        """The samples of all requests, in order.

        Raises:
            AIStorchError: One of them could not be read.
        """
        return [sample for run in self.stream(requests) for sample in run]

    def stream(self, requests: Iterable[Request], in_order: bool = True) -> Iterator[list[Sample]]:
        """The samples of requests, in lists of one or more as they become available; see `deliver`."""
        for run in self.deliver(requests, in_order):
            # Only slices may come in memory of the caller's, and they are no samples.
            yield [(request.name, body) for request, body in run]  # type: ignore[misc]

    def deliver(self, requests: Iterable[Request], in_order: bool = True) -> Iterator[list[tuple[Request, Content]]]:
        """Requests and what they brought, in lists of one or more as they become available.

        Requests are taken from the iterable as room comes free; their positions count from 0. Without `in_order` a
        body is handed out as soon as it is there, whichever was asked for before it.

        Raises:
            AIStorchError: An object could not be read; all before it have been handed out. What `requests` itself
                raises comes in its place likewise.
        """
        source = iter(requests)
        first, more = 0, True  # the first position that is not handed out yet
        failure: Exception | None = None  # of `requests`
        began, waited, self._arrived = time.monotonic(), 0.0, 0
        try:
            while more or self._admitted:
                try:
                    more = more and self._admit(source)
                except Exception as error:  # raised below, once all that came before it has been handed out
                    more, failure = False, error
                self._transport.send()
                run = self._take_run(range(first, first + RUN_LENGTH) if in_order else list(self._results))
                if run:
                    first += len(run)
                    yield run
                    if self._closed:
                        raise ForkedIteratorError(_FORKED)
                    self._bytes -= sum(_assumed(request) for request, _ in run)
                elif self._admitted:
                    waited += self._wait(first if in_order else None)
                    if self._arrived >= 2 * self._window.in_flight:
                        now = time.monotonic()
                        self._window.observe(self._arrived, now - began, waited)
                        self._arrived, began, waited = 0, now, 0.0
            if failure is not None:
                raise failure
        finally:
            self._transport.abandon()
            self._results.clear()
            self._admitted.clear()
            self._bytes = 0

    def put(self, request: Request, result: Content | AIStorchError) -> None:
        """Takes what the transport has read."""
        if request.size == UNKNOWN_SIZE and not isinstance(result, AIStorchError):
            self._bytes += len(result) - _assumed(request)
            request.expected = len(result)
        self._results[request.position] = result
        self._arrived += 1

    def owner(self, checksum: int, size: int, besides: Request) -> Request | None:
        """Another request under way of which the listing tells this checksum and this size."""
        for request in self._admitted.values():
            if request.checksum == checksum and request.whole_size == size and request.url != besides.url:
                return request
        return None

    def close(self) -> None:
        """Closes all connections, for good."""
        self._closed = True
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
            try:
                for piece in self._pieces(request):
                    self._transport.submit(piece)
            except BaseException as error:
                # Never sent, or not all of it: to wait for it would be to wait for ever.
                del admitted[request.position]
                raise self._translated(request, error) from error
        self._transport.shape(self._window.in_flight, self._mean_size)
        return True

    @staticmethod
    def _translated(request: Request, error: BaseException) -> BaseException:
        if not isinstance(error, MemoryError | OverflowError):
            return error
        cause = f"it has {request.size} bytes, more than there is memory for"
        return ReadError(request.url, causes=[cause], hint="Large shards are streamed by AISShardReader")

    def _pieces(self, request: Request) -> list[Request]:
        if request.size < self._split_from or request.size == UNKNOWN_SIZE or request.part is not None:
            return [request]
        return request.split(PART_SIZE)

    def _take_run(self, positions: Iterable[int]) -> list[tuple[Request, Content]]:
        """What is there of the first of these positions, few enough that they are no great part of the budget."""
        results, admitted = self._results, self._admitted
        run: list[tuple[Request, Content]] = []
        room = self._budget // _RUN_SHARE
        for position in positions:
            result = results.get(position)
            if result is None or room < 0:
                break
            if isinstance(result, AIStorchError):
                if run:
                    break
                raise result
            run.append((admitted.pop(position), result))
            del results[position]
            room -= len(result)
        return run

    def _wait(self, position: int | None) -> float:
        """Waits for the result at a position, or for any; returns the seconds it took."""
        began = now = time.monotonic()
        tell_at = began + TELLING_AFTER
        results, transport = self._results, self._transport
        while position not in results if position is not None else not results:
            transport.wait()
            transport.send()
            now = time.monotonic()
            if now >= tell_at:
                tell_at = now + TELLING_AGAIN
                self._tell(position, now - began)
        return now - began

    def _tell(self, position: int | None, seconds: float) -> None:
        request = self._admitted[min(self._admitted) if position is None else position]
        trouble = request.trouble
        why = "no answer so far"
        if trouble is not None and trouble.causes:
            why = ". ".join(filter(None, (trouble.causes[-1], trouble.hint)))
        warnings.warn(f"{request.url} has been waited for for {seconds:.0f} s: {why}", SlowReadWarning, stacklevel=2)


def _assumed(request: Request) -> int:
    if request.size >= 0:
        return request.size
    return request.expected if request.expected >= 0 else ASSUMED_SIZE
