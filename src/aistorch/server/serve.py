"""Runs the server in the foreground: what `python -m aistorch.server` and the tests' subprocess do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aistorch.server.app import App
from aistorch.server.cluster_map import MAINTENANCE, ClusterMap, Node
from aistorch.server.etl_code import EtlCode
from aistorch.server.listener import Listener
from aistorch.server.names import BucketKey
from aistorch.server.store import Store


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to run the server.

    Attributes:
        dir: Where the data is kept; None takes a temporary folder, removed in the end.
        host: The address to bind to; only this machine reaches the default.
        names: Other hosts by which clients may call it.
        port: Of the proxy; 0 takes a free one. Targets always take free ones.
        targets: How many targets; one alone shares the proxy's port.
        buckets: URIs of buckets to be there, `aws://name`; those that exist stay as they are.
        cert: Certificate (PEM) for HTTPS.
        key: Its private key; None where it is in the same file.
        token: What clients must present; None lets everybody in.
        etls: ETLs to be there, by name.
        allow_code: Whether ETLs of code that clients send are run.
    """

    dir: Path | None = None
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    port: int = 0
    targets: int = 1
    buckets: tuple[str, ...] = ()
    cert: Path | None = None
    key: Path | None = None
    token: str | None = field(default=None, repr=False)
    etls: Mapping[str, EtlCode] = field(default_factory=dict)
    allow_code: bool = False


class RunningServer:
    """All nodes of one server, in this process and its event loop.

    Attributes:
        root: Where the data is.
        app: What answers.
    """

    def __init__(self, options: ServeOptions, root: Path) -> None:
        self.root, store, self._etls = root, Store(root), options.etls
        for uri in options.buckets:
            store.ensure(BucketKey.from_uri(uri))
        cluster = ClusterMap(uuid.uuid4().hex[:9], options.targets, "https" if options.cert else "http")
        self.app = App(
            store,
            cluster,
            host=options.host,
            names=options.names,
            token=options.token,
            allow_code=options.allow_code,
        )
        tls = _tls_context(options)
        self._listeners = {cluster.proxy.id: Listener(self.app, cluster.proxy, options.port, tls)}
        for node in cluster.targets.values():
            if cluster.single:
                node.port = cluster.proxy.port
            else:
                self._listeners[node.id] = Listener(self.app, node, 0, tls)

    @property
    def endpoint(self) -> str:
        """The proxy's URL."""
        return self._url(self.app.cluster.proxy)

    @property
    def target_endpoints(self) -> dict[str, str]:
        """URLs of the targets, by their ids."""
        return {node.id: self._url(node) for node in self.app.cluster.targets.values()}

    async def start(self) -> None:
        """Starts all ETLs, then opens all ports.

        Raises:
            BadRequest: If an ETL's code cannot be loaded.
        """
        await self.app.etls.add_codes(self._etls)
        await self._open()

    async def _open(self) -> None:
        for listener in self._listeners.values():
            await listener.start()

    async def stop(self) -> None:
        """Breaks all connections, gives ports and folder back."""
        for listener in self._listeners.values():
            await listener.stop()
            listener.close()
        await self.app.etls.close()
        await asyncio.to_thread(self.app.jobs.close)  # some wait for what ETLs do in this loop
        self.app.store.close()

    async def start_node(self, node_id: str) -> None:
        """Opens the port of one node again.

        Raises:
            ValueError: If there is no such node.
        """
        await self._listener(node_id).start()

    async def stop_node(self, node_id: str) -> None:
        """Makes one node refuse connections, as if it had died.

        Raises:
            ValueError: If there is no such node.
        """
        await self._listener(node_id).stop()

    async def end_faults(self) -> None:
        """Forgets all fault rules, starts stopped nodes, moves relocated objects back."""
        self.app.faults.clear()
        for node in self.app.cluster.targets.values():
            if node.flags & MAINTENANCE:
                self.app.cluster.set_maintenance(node.id, False)
        await self._open()

    def _listener(self, node_id: str) -> Listener:
        if self.app.cluster.single and node_id in self.app.cluster.targets:
            node_id = self.app.cluster.proxy.id
        if node_id not in self._listeners:
            raise ValueError(f"no node {node_id!r}; there are {', '.join(self._listeners)}")
        return self._listeners[node_id]

    def _url(self, node: Node) -> str:
        return self.app.cluster.url(node, self.app.host)


def run(options: ServeOptions, attend: Callable[[RunningServer], Awaitable[None]] | None = None) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        options: How to run.
        attend: Called when all ports are open; the server stops when it returns.

    Raises:
        OSError: If a port is taken, or the folder cannot be written.
        StoreLockedError: If another server uses the folder.
        ForeignFolderError: If the folder holds other things.
        BadRequest: If a bucket's URI is not valid, or an ETL's code cannot be loaded.
    """
    os.umask(0o077)  # the data is for the owner alone; this process makes no other files
    root = options.dir or Path(tempfile.mkdtemp(prefix="aistorch-"))
    try:
        asyncio.run(_serve(options, root, attend))
    finally:
        if options.dir is None:
            shutil.rmtree(root, ignore_errors=True)


async def _serve(options: ServeOptions, root: Path, attend: Callable[[RunningServer], Awaitable[None]] | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = RunningServer(options, root)
    try:
        await server.start()
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(stop.wait())]
        if attend is not None:
            waiting.append(asyncio.ensure_future(attend(server)))
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
    finally:
        await server.stop()
    for task in done:
        task.result()


def _tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    if options.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    return context
