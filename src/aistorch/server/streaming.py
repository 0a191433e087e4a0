"""Responses whose bytes are produced by blocking code, piece by piece, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aistorch.server.request import Request

_log = logging.getLogger(__name__)


async def send_stream(
    req: Request, pieces: Iterator[bytes], content_type: str, length: int | None = None
) -> web.StreamResponse:
    """Answers 200 with what an iterator produces; one piece at a time is in memory.

    The first piece is produced before anything is sent, so what fails until then is answered as an error. What
    fails later can only break the connection.

    Args:
        req: The request.
        pieces: The body; run in a thread, a generator is closed at the end.
        content_type: The media type.
        length: Of the body in bytes; without it the body is sent in chunks.

    Raises:
        HTTPError: As the iterator raised it for the first piece.
        ConnectionError: The body broke off.
    """
    response = web.StreamResponse(headers={"Content-Type": content_type})
    if length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = length
    try:
        piece = await asyncio.to_thread(next, pieces, None)
        await response.prepare(req.http)
        while piece is not None:
            await response.write(piece)
            piece = await _next_or_break(req, pieces)
        await response.write_eof()
    finally:
        await asyncio.to_thread(_close, pieces)
    return response


def _close(pieces: Iterator[bytes]) -> None:
    # A generator that is still running in its thread, because this request was cancelled, ends by itself.
    if isinstance(pieces, Generator):
        with contextlib.suppress(ValueError):
            pieces.close()


async def _next_or_break(req: Request, pieces: Iterator[bytes]) -> bytes | None:
    try:
        return await asyncio.to_thread(next, pieces, None)
    except Exception as error:  # whatever it is, only the connection can tell the client
        _log.warning("%s: the body of %s %s broke off: %s", req.node.label, req.verb, req.http.path, error)
        with contextlib.suppress(OSError):
            if req.http.transport is not None:
                req.http.transport.abort()
        raise ConnectionError(f"the body broke off: {error}") from error
