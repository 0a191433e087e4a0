"""The pipe between `EmbeddedAIStore` and its server: one JSON object a line, each way.

The pipe is the only way in: no port, and nobody but the parent has it. The server ends with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from aistorch.server.etl_code import EtlCode
from aistorch.server.serve import RunningServer

_PARENT_SECONDS = 1.0
_MAX_LINE = 1 << 30  # pickled functions may carry data


async def attend(server: RunningServer) -> None:
    """Announces the server, obeys until the parent closes the pipe or dies."""
    parent = os.getppid()
    reader = asyncio.StreamReader(limit=_MAX_LINE)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    _reply(
        {
            "endpoint": server.endpoint,
            "target_endpoints": server.target_endpoints,
            "proxy": server.app.cluster.proxy.id,
            "dir": str(server.root),
        }
    )
    # Forked children of the parent hold the pipe open, so its end is not enough to know that the parent has gone.
    watch = asyncio.ensure_future(_parent_gone(parent))
    obey = asyncio.ensure_future(_obey(server, reader))
    done, pending = await asyncio.wait((watch, obey), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


async def _obey(server: RunningServer, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        try:
            _reply({"result": await _execute(server, **json.loads(line))})
        except Exception as error:  # whatever it is, the parent raises it
            _reply({"error": f"{type(error).__name__}: {error}"})


async def _execute(server: RunningServer, command: str, **arguments: Any) -> Any:
    faults = server.app.faults
    if command == "etls":
        return await server.app.etls.add_codes({n: EtlCode.from_json(code) for n, code in arguments["codes"].items()})
    if command == "start":
        return await server.start_node(arguments["node"])
    if command == "stop":
        return await server.stop_node(arguments["node"])
    if command == "maintenance":
        return server.app.cluster.set_maintenance(arguments["node"], arguments["on"])
    if command == "add":
        return faults.add(arguments["rule"])
    if command == "hits":
        return faults.hits()
    if command == "remove":
        return faults.remove(arguments["number"])
    if command == "clear":
        return await server.end_faults()
    raise ValueError(f"unknown command {command!r}")


async def _parent_gone(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_SECONDS)


def _reply(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
