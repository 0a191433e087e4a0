"""A response writer that can damage the body it writes."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultyWriter(StreamWriter):
    """Writes as aiohttp does, until it is given a fault.

    Offsets count the bytes of the body itself, without the framing of chunks.
    """

    _effect = ""
    _at = 0
    _written = 0

    def set_fault(self, effect: str, at: int) -> None:
        """What to do to the body: one of `fault_rules.BODY_EFFECTS`, at an offset in bytes."""
        self._effect, self._at = effect, at

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Announces the shorter length where the fault is to look like a shorter object."""
        if self._effect == "shorten" and self.length is not None:
            self.length = min(self.length, self._at)
            headers["Content-Length"] = str(self.length)
        await super().write_headers(status_line, headers)

    async def write(self, chunk: Any, *, drain: bool = True, LIMIT: int = 0x10000) -> None:  # noqa: N803
        """Writes what the fault leaves of the chunk.

        Raises:
            ConnectionResetError: If the fault ended the connection.
        """
        left, size = self._at - self._written, len(chunk)
        self._written += size
        if self._effect == "corrupt" and 0 <= left < size:
            chunk = b"".join((chunk[:left], bytes([chunk[left] ^ 0xFF]), chunk[left + 1 :]))
        elif self._effect == "shorten":
            chunk = chunk[: max(left, 0)]
        elif self._effect in ("drop", "truncate") and left < size:
            await super().write(chunk[: max(left, 0)], drain=drain, LIMIT=LIMIT)
            self._break()
        if chunk:
            await super().write(chunk, drain=drain, LIMIT=LIMIT)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Ends the body."""
        if self._effect and chunk:
            await self.write(chunk)
            chunk = b""
        await super().write_eof(chunk)

    def _break(self) -> None:
        transport = self.transport
        if transport is not None:
            if self._effect == "drop":
                bare: socket.socket = transport.get_extra_info("socket")
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.close()
        raise ConnectionResetError("a fault ended the connection")


def make_request(message: Any, payload: Any, protocol: Any, _writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    """Makes aiohttp's request, with a writer that can be given a fault."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, FaultyWriter(protocol, loop), task, loop)
