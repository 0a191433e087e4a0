"""Answers requests whose body nobody wants: the client is told before it has sent all of it.

AIStore's clients send a whole body before they look for an answer. To break the connection at once would cost them the
answer; to read on to the end would take however much they have.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

_SMALL = 1 << 20
_MOST_BYTES = 16 << 20
_MOST_SECONDS = 5.0


async def answer_early(http: web.BaseRequest, response: web.Response) -> None:
    """Sends a response, then reads a bounded rest of the body and ends the connection.

    Does nothing where the body was read or is small: then the connection stays for the next request.
    """
    if http.content.is_eof() or (http.content_length is not None and http.content_length <= _SMALL):
        return
    response.force_close()
    await response.prepare(http)
    await response.write_eof()
    transport = http.transport
    if transport is not None and transport.can_write_eof():
        # The client learns that no more will come before it learns that nothing more is read. In the other order it
        # would throw away the answer.
        transport.write_eof()
    with contextlib.suppress(asyncio.TimeoutError, OSError, web.HTTPException):
        await asyncio.wait_for(_drain(http), _MOST_SECONDS)
    http.protocol.force_close()


async def _drain(http: web.BaseRequest) -> None:
    left = _MOST_BYTES
    while left > 0 and not http.content.at_eof():
        left -= len(await http.content.readany())
