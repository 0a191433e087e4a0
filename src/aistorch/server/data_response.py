"""Sends bytes of an object's file, without holding them in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import IO

from aiohttp import web

from aistorch.server.request import Request

_INLINE = 1 << 18  # up to here one read and one write are cheaper than anything else
_CHUNK = 1 << 18


async def send_data(
    req: Request, file: IO[bytes], offset: int, length: int, *, status: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answers with part of a file, and closes it."""
    with file:
        if length <= _INLINE:
            return web.Response(status=status, headers=headers, body=os.pread(file.fileno(), length, offset))
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = length
        await response.prepare(req.http)
        if req.may_sendfile and req.http.transport is not None:
            loop = asyncio.get_running_loop()
            await loop.sendfile(req.http.transport, file, offset, length)
        else:
            await _send_chunks(response, file, offset, length)
        await response.write_eof()
        return response


async def _send_chunks(response: web.StreamResponse, file: IO[bytes], offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        chunk = os.pread(file.fileno(), min(_CHUNK, end - offset), offset)
        if not chunk:
            raise ConnectionAbortedError("the object's file ended early")
        await response.write(chunk)
        offset += len(chunk)
