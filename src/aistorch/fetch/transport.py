"""Requests on their way: the nodes, the connections to them, what waits and what is to be sent again."""

from __future__ import annotations

import heapq
import selectors
import time
from collections import deque
from itertools import count

from aistorch.config import ReadConfig
from aistorch.fetch.address import Address
from aistorch.fetch.body import Content
from aistorch.fetch.checks import Checks, Results, digest_of
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.connection import Connection
from aistorch.fetch.losses import ConnectionLostError, NotAsListedError, ObjectChangedError, WrongReplyError
from aistorch.fetch.node import DOWN_TIME, Node
from aistorch.fetch.recovery import GiveUp, Recovery, Step
from aistorch.fetch.reply import Head
from aistorch.fetch.request import Request

# Requests that one connection carries at once: at this depth a call to the kernel serves about ten small objects.
PIPELINE_DEPTH = 16
# Bytes asked for ahead on one connection: larger objects gain nothing from a pipeline and would wait for each other.
PIPELINE_BYTES = 1 << 20
_POLL = 1.0
_READ = selectors.EVENT_READ
_READ_WRITE = selectors.EVENT_READ | selectors.EVENT_WRITE


class Transport:
    """Sends requests and hands their results over, however many attempts that takes.

    Args:
        cluster: Where nodes listen.
        config: Checks and retries.
        results: Who takes what was read.
    """

    def __init__(self, cluster: Cluster, config: ReadConfig, results: Results) -> None:
        self._cluster = cluster
        self._config = config
        self._results = results
        self._recovery = Recovery(cluster, config.retry)
        self._checks = Checks(self._recovery, results)
        self._read_timeout = config.retry.read_timeout or cluster.settings.read_timeout or float("inf")
        self._connect_timeout = config.retry.connect_timeout or cluster.settings.connect_timeout
        self._selector = selectors.DefaultSelector()
        self._nodes: dict[Address, Node] = {}
        self._delayed: list[tuple[float, int, Request, Address]] = []
        self._tie = count()
        self._depth = PIPELINE_DEPTH
        self._connections_per_node = 2
        self._looked = 0.0

    def shape(self, in_flight: int, mean_size: float) -> None:
        """Spreads so many requests over connections, given the mean size of the objects in bytes."""
        per_node = -(-in_flight // max(1, self._cluster.target_count))
        by_size = int(PIPELINE_BYTES / (mean_size + 1))
        self._depth = max(1, min(PIPELINE_DEPTH, by_size, -(-per_node // 2)))
        self._connections_per_node = max(1, -(-per_node // self._depth))

    def submit(self, request: Request) -> None:
        """Queues a request for the target that should hold the object, else for the proxy."""
        address = self._cluster.address_of(request.target) if self._config.direct else None
        if address is not None:
            node = self._node(address)
            if not node.down_until or node.down_until < time.monotonic():
                node.waiting.append(request)
                return
        request.line = self._recovery.proxy_line(request.line)
        self._node(self._cluster.settings.endpoint).waiting.append(request)

    def send(self) -> None:
        """Sends what waits and is due, as far as connections have room."""
        if self._delayed:
            self._queue_due()
        for node in list(self._nodes.values()):
            if node.waiting:
                self._send_to(node)

    def wait(self) -> None:
        """Handles what arrives; returns once something did, or something else is to be done."""
        events = self._selector.select(self._patience())
        for key, mask in events:
            node, connection = key.data
            self._handle(node, connection, mask)
        now = time.monotonic()
        if not events or now - self._looked >= _POLL:
            self._looked = now
            self._end_late(now)

    def abandon(self) -> None:
        """Forgets all requests; connections with replies due are closed, the others kept for the next stream."""
        self._delayed.clear()
        for node in self._nodes.values():
            node.waiting.clear()
            for connection in [each for each in node.connections if each.pending]:
                self._drop(node, connection)

    def close(self) -> None:
        """Closes all connections."""
        # The selector first and as a whole: a fork shares it with the parent, whose entries must stay.
        self._selector.close()
        for node in self._nodes.values():
            for connection in node.connections:
                connection.close()
        self._nodes.clear()

    # replies: `ReplyHandler`

    def accept(self, address: Address, request: Request, body: Content, checksum: int | None) -> None:
        """Checks a body; hands it over or has the object read again."""
        if checksum is None:
            self._checks.unchecked(address, request, body)
            self._results.put(request, body)
        elif self._config.verify and digest_of(request, body) != checksum:
            cause = f"{len(body)} bytes with another checksum than the {checksum:016x} announced"
            self._carry_out(request, self._recovery.after_damage(request, address, cause))
        else:
            # As listed, nearly always; a small object's size is part of what its checksum covers.
            if checksum != request.checksum:
                self._checks.differing(request, len(body), checksum)
            self._results.put(request, body)

    def announce(self, request: Request, length: int, checksum: int | None) -> None:
        """Ends a reply that cannot be the one to its request, before its large body comes."""
        self._checks.announced(request, length, checksum)

    def accept_part(self, address: Address, request: Request) -> None:
        """Checks a large body once all of its parts are there."""
        body = request.part.body if request.part is not None else None
        if body is None or body.missing or body.stale:
            return
        if body.is_range:  # what is announced with it is the checksum of the whole
            self._results.put(request, body.content)
        else:
            self.accept(address, request, body.content, body.checksum)

    def refuse(self, address: Address, request: Request, head: Head, body: bytes) -> None:
        """Takes the next step after a reply that is not the object."""
        if request.part is not None and request.part.body.stale:
            return
        self._carry_out(request, self._recovery.after_reply(request, address, head, body))

    # nodes and connections

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            settings = self._cluster.settings
            node = Node(address, settings.token if address == settings.endpoint else None)
            self._nodes[address] = node
        return node

    def _send_to(self, node: Node) -> None:
        for connection in list(node.connections):
            self._feed(node, connection)
        while node.waiting and self._has_room(node):
            opened = self._connect(node)
            if opened is None:
                return
            self._feed(node, opened)

    def _has_room(self, node: Node) -> bool:
        """Whether one more connection may be made; what wants one of its own has an idle one closed for it."""
        if len(node.connections) < self._connections_per_node:
            return True
        idle = next((each for each in node.connections if not each.pending), None)
        if idle is None or not node.waiting[0].alone:
            return False
        self._drop(node, idle)
        return True

    def _feed(self, node: Node, connection: Connection) -> None:
        try:
            node.feed(connection, 1 if self._checks.many_differ else self._depth)
        except ConnectionLostError as lost:
            self._lose(node, connection, lost)
        else:
            if connection.wants_to_write:
                self._selector.modify(connection.sock, _READ_WRITE, (node, connection))

    def _connect(self, node: Node) -> Connection | None:
        try:
            connection = Connection.open(
                node.address, node.tail, self._cluster.settings, self._connect_timeout, self._config.verify
            )
        except (OSError, ValueError, OverflowError) as error:  # or a host or a port that cannot be
            if not node.connections:
                node.down_until = time.monotonic() + DOWN_TIME
                self._refuse_waiting(node, f"cannot connect ({getattr(error, 'strerror', None) or error})")
            return None
        node.down_until = 0.0
        node.connections.append(connection)
        self._selector.register(connection.sock, _READ, (node, connection))
        return connection

    def _refuse_waiting(self, node: Node, cause: str) -> None:
        requests, node.waiting = node.waiting, deque()
        for request in requests:
            self._carry_out(request, self._recovery.after_refusal(request, node.address, cause))

    def _handle(self, node: Node, connection: Connection, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                connection.flush()
                if not connection.wants_to_write:
                    self._selector.modify(connection.sock, _READ, (node, connection))
            if mask & _READ:
                connection.receive(self)
                while connection.has_buffered():
                    connection.receive(self)
        except ConnectionLostError as lost:
            self._lose(node, connection, lost)
        else:
            self._feed(node, connection)

    def _lose(self, node: Node, connection: Connection, lost: ConnectionLostError, silent: bool = False) -> None:
        """Sends again what was pending on a connection; only the reply that was due next is to blame."""
        pending = list(connection.pending)
        self._drop(node, connection)
        # A server closes connections that were idle (AIStore: after 30 s); that a request crosses it is nobody's fault.
        blameless = connection.served and not lost.started and not silent
        if pending and not blameless:
            self._blame(pending.pop(0), node.address, lost)
        node.waiting.extendleft(reversed(pending))

    def _blame(self, request: Request, address: Address, lost: ConnectionLostError) -> None:
        if request.part is not None and request.part.body.stale:
            return
        request.alone = True
        if isinstance(lost, NotAsListedError):
            step = self._recovery.after_other(request, address, str(lost), lost.length, lost.checksum)
        elif isinstance(lost, ObjectChangedError):
            step = self._recovery.after_change(request, address, str(lost))
        else:
            cut = lost.started and not isinstance(lost, WrongReplyError)
            step = self._recovery.after_loss(request, address, str(lost), truncated=cut)
        self._carry_out(request, step)

    def _drop(self, node: Node, connection: Connection) -> None:
        node.connections.remove(connection)
        self._selector.unregister(connection.sock)
        connection.close()

    # time

    def _carry_out(self, request: Request, step: Step) -> None:
        if isinstance(step, GiveUp):
            self._results.put(request, step.error)
        else:
            # Without a delay, too: what was refused in the midst of sending is seen by `wait` so, and sent next.
            due = time.monotonic() + step.delay
            heapq.heappush(self._delayed, (due, next(self._tie), request, step.address))

    def _queue_due(self) -> None:
        now = time.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            _, _, request, address = heapq.heappop(self._delayed)
            waiting = self._node(address).waiting
            # First what wants a connection of its own: what it brings tells how the others are best read.
            waiting.appendleft(request) if request.alone else waiting.append(request)

    def _patience(self) -> float:
        if not self._delayed:
            return _POLL
        return min(_POLL, max(0.0, self._delayed[0][0] - time.monotonic()))

    def _end_late(self, now: float) -> None:
        """Gives up connections on which a reply is silent for too long, or comes too slowly."""
        for node in self._nodes.values():
            for connection in list(node.connections):
                cause = self._lateness(connection, now) if connection.pending else ""
                if cause:
                    self._lose(node, connection, ConnectionLostError(cause, connection.reply_has_begun), silent=True)

    def _lateness(self, connection: Connection, now: float) -> str:
        if connection.heard < now - self._read_timeout:
            return f"no answer for {self._read_timeout:g} s"
        due, arrived = now - connection.due, connection.arrived
        if arrived < (due - self._read_timeout) * self._config.retry.min_rate:
            return f"{arrived} bytes in {due:.0f} s"
        return ""
