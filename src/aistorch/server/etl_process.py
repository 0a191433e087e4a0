"""The processes of an ETL: its code runs in them, never in the server's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from aistorch.errors import AIStorchError
from aistorch.server import etl_worker
from aistorch.server.etl_code import EtlCode
from aistorch.server.etl_worker import REQUEST, RESULT, SIZE

_BOOT = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
STOPPED = "the ETL was stopped"
_PROCESSES = 4  # as many as the SDK's own transformers have


class CodeError(AIStorchError):
    """An ETL's code failed.

    Attributes:
        trace: Its traceback; empty where there is none.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class Transformer:
    """One process, for one object at a time; started when it is needed, and again when it has died.

    Args:
        code: What runs there.
    """

    def __init__(self, code: EtlCode) -> None:
        self._code = code
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, seconds: float) -> None:
        """Starts the process and waits until the code is loaded; nothing happens if it runs.

        Raises:
            CodeError: It cannot be loaded, or not within so many seconds.
        """
        if self._process is not None:
            return
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _BOOT, str(Path(etl_worker.__file__))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._code.environment},
            start_new_session=True,  # Ctrl-C is for the server, which ends its processes
        )
        code = json.dumps({"kind": self._code.kind, "payload": self._code.payload}).encode()
        try:
            await self._ask(seconds, SIZE.pack(len(code)), code)
        except CodeError:
            await self.stop()
            raise

    async def transform(self, data: bytes, path: str, arguments: str, seconds: float) -> bytes:
        """What the code makes of an object.

        Args:
            data: The object.
            path: `bucket/name`.
            arguments: What the client gave for this object.
            seconds: The most it may take.

        Raises:
            CodeError: It failed, took too long, or its process died.
        """
        await self.start(seconds)
        where, how = path.encode(), arguments.encode()
        return await self._ask(seconds, REQUEST.pack(len(where), len(how), len(data)), where, how, data)

    async def stop(self) -> None:
        """Kills the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _ask(self, seconds: float, *pieces: bytes) -> bytes:
        try:
            success, body = await asyncio.wait_for(self._exchange(pieces), seconds)
        except asyncio.TimeoutError:
            await self.stop()
            raise CodeError(f"no result within {seconds:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise CodeError(f"its process has died ({await self._status()})") from None
        except asyncio.CancelledError:
            await self.stop()  # the result of this object must not be taken for that of the next
            raise
        if not success:
            said = json.loads(body)
            raise CodeError(said["error"], said["trace"])
        return body

    async def _exchange(self, pieces: tuple[bytes, ...]) -> tuple[bool, bytes]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ConnectionResetError
        process.stdin.writelines(pieces)
        await process.stdin.drain()
        success, size = RESULT.unpack(await process.stdout.readexactly(RESULT.size))
        return success, await process.stdout.readexactly(size)

    async def _status(self) -> str:
        process, self._process = self._process, None
        if process is None:
            return "stopped"
        status = await process.wait()
        return f"signal {-status}" if status < 0 else f"status {status}"


class Transformers:
    """The processes of one ETL: as many objects are transformed at once, others wait.

    Args:
        code: What runs in them.
    """

    def __init__(self, code: EtlCode) -> None:
        self._all = [Transformer(code) for _ in range(min(_PROCESSES, os.cpu_count() or 1))]
        # Last in, first out: one that runs already is taken before one that does not yet.
        self._idle: asyncio.LifoQueue[Transformer] = asyncio.LifoQueue()
        for each in self._all:
            self._idle.put_nowait(each)
        self._closed = False

    async def start(self, seconds: float) -> None:
        """Starts the first process, so that code that cannot be loaded is known at once.

        Raises:
            CodeError: It cannot be loaded.
        """
        await self._all[-1].start(seconds)
        if self._closed:
            await self._all[-1].stop()
            raise CodeError(STOPPED)

    async def transform(
        self, read: Callable[[], bytes], path: str, arguments: str, seconds: float
    ) -> tuple[int, bytes]:
        """What the code makes of an object, and the object's size; `Transformer.transform` tells the rest.

        Args:
            read: Reads the object, in a thread, when it is its turn: so only few are in memory.
            path: `bucket/name`.
            arguments: What the client gave.
            seconds: The most the code may take.
        """
        each = await self._idle.get()
        try:
            if self._closed:
                raise CodeError(STOPPED)
            data = await asyncio.to_thread(read)
            return len(data), await each.transform(data, path, arguments, seconds)
        finally:
            if self._closed:
                await each.stop()  # it may have been about to start
            self._idle.put_nowait(each)

    async def stop(self) -> None:
        """Kills all processes; what they were doing fails."""
        self._closed = True
        await asyncio.gather(*(each.stop() for each in self._all))
