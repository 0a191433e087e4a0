"""Sends bytes of an object's file, without holding them in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from aiohttp import web

from aistorch.server.request import Request

_INLINE = 1 << 18  # up to here one read and one write are cheaper than anything else
_CHUNK = 1 << 18


async def send_data(
    req: Request, handle: int, offset: int, length: int, *, status: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answers with part of an open file, and closes it.

    Args:
        req: What is answered.
        handle: The file's descriptor.
        offset: Of the first byte.
        length: How many bytes.
        status: 200 or 206.
        headers: Without `Content-Length`.
    """
    if length <= _INLINE:
        try:
            return web.Response(status=status, headers=headers, body=os.pread(handle, length, offset))
        finally:
            os.close(handle)
    with open(handle, "rb", buffering=0) as file:
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = length
        await response.prepare(req.http)
        if req.may_sendfile and req.http.transport is not None:
            loop = asyncio.get_running_loop()
            await loop.sendfile(req.http.transport, file, offset, length)
        else:
            await _send_chunks(response, handle, offset, length)
        await response.write_eof()
        return response


async def _send_chunks(response: web.StreamResponse, handle: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        chunk = os.pread(handle, min(_CHUNK, end - offset), offset)
        if not chunk:
            raise ConnectionAbortedError("the object's file ended early")
        await response.write(chunk)
        offset += len(chunk)
