"""Append: an object that grows call by call, behind what it has already, and appears as a whole when it is flushed."""

from __future__ import annotations

import asyncio
import uuid

from aiohttp import web

from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BadRequest
from aistorch.server.object_api import body_chunks
from aistorch.server.object_writer import ObjectWriter
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()

_PIECE = 1 << 20


class Appends:
    """The objects that are being appended to, by their handles; a restart forgets them.

    A handle is good for one call at a time, and never again after a call that failed: what had arrived of it could
    not be told from what had not.
    """

    def __init__(self) -> None:
        self._writers: dict[str, ObjectWriter] = {}

    def take(self, handle: str) -> ObjectWriter:
        """What a handle stands for, until it is put back.

        Raises:
            BadRequest: There is no such handle, or another call is using it.
        """
        writer = self._writers.pop(handle, None)
        if writer is None:
            raise BadRequest(f"invalid APPEND handle: {handle!r}")
        return writer

    def put(self, handle: str, writer: ObjectWriter) -> None:
        """Makes a handle usable, or usable again."""
        self._writers[handle] = writer


@routes.query("PUT", "objects", "append_type")
async def append_object(req: Request) -> web.StreamResponse:
    """`append` takes the body and answers with a handle, `flush` makes the object appear."""
    kind, handle = req.query["append_type"], req.query.get("append_handle", "")
    if kind == "append":
        return await _append(req, handle)
    if kind == "flush":
        return await _flush(req, handle)
    raise BadRequest(f"invalid operation {kind!r}: 'append_type' is either 'append' or 'flush'")


async def _append(req: Request, handle: str) -> web.StreamResponse:
    if handle:
        writer = req.app.appends.take(handle)
    else:
        handle = f"{req.node.id}|{uuid.uuid4().hex}"
        writer = await _begun(req.bucket, req.object_name)
    try:
        async for chunk in body_chunks(req):
            await writer.write_async(chunk)
        await asyncio.to_thread(writer.flush)  # a full disk is told now, not when the client flushes
    except BaseException:
        writer.abort()
        raise
    req.app.appends.put(handle, writer)
    return web.Response(headers={"Ais-Append-Handle": handle})


async def _flush(req: Request, handle: str) -> web.StreamResponse:
    with req.app.appends.take(handle) as writer:
        await asyncio.to_thread(writer.commit)
    return web.Response()


async def _begun(bucket: Bucket, name: str) -> ObjectWriter:
    beginning = asyncio.ensure_future(asyncio.to_thread(_begin, bucket, name))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        # The connection broke: the thread goes on, and nobody would ever drop what it makes.
        beginning.add_done_callback(_drop)
        raise


def _drop(beginning: asyncio.Future[ObjectWriter]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result().abort()


def _begin(bucket: Bucket, name: str) -> ObjectWriter:
    if name not in bucket:
        return bucket.writer(name)
    meta, file = bucket.open_data(name)
    writer = bucket.writer(name, meta.custom)
    try:
        with file:
            while piece := file.read(_PIECE):
                writer.write(piece)
    except BaseException:
        writer.abort()
        raise
    return writer
