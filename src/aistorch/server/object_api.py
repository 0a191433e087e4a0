"""Calls about one object, all but GET: PUT, HEAD, DELETE, PATCH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from aistorch.server.headers import CHECKSUM_TYPE, head_v1, head_v2, object_headers
from aistorch.server.http_errors import BadChecksum, BadRequest, ObjectMissing
from aistorch.server.object_writer import ObjectWriter
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()

_NO_PROPS = ("1", "3")
_MUST_BE_PRESENT = ("2", "3")
_MUST_BE_ABSENT = "5"


@routes.default("PUT", "objects")
async def put_object(req: Request) -> web.StreamResponse:
    """Stores the body, as it comes, under the name."""
    bucket = req.bucket
    with bucket.writer(req.object_name) as writer:
        async for chunk in body_chunks(req):
            await writer.write_async(chunk)
        check_announced(req, writer)
        meta = writer.commit()
    return web.Response(headers=object_headers(bucket, meta))


@routes.default("HEAD", "objects")
async def head_object(req: Request) -> web.StreamResponse:
    """The object's metadata: what `props` asks for (SDK 2.0), or all of it."""
    bucket, name = req.bucket, req.object_name
    meta = bucket.get(name)
    presence = req.query.get("presence", "")
    if presence in _MUST_BE_PRESENT and name in bucket.uncached:
        raise ObjectMissing(bucket.key, name, req.app.cluster.owner(bucket.key.uname(name)).id)
    if presence == _MUST_BE_ABSENT and name not in bucket.uncached:
        raise BadRequest(f"{bucket.key.cname(name)} is present (presence={presence} wants it outside the cluster)")
    if presence in _NO_PROPS:
        return web.Response()
    location = req.app.cluster.location(bucket.key.uname(name))
    props = req.query.get("props", "")
    headers = head_v2(bucket, meta, location, props) if props else head_v1(bucket, meta, location)
    return web.Response(headers=headers)


@routes.default("DELETE", "objects")
async def delete_object(req: Request) -> web.StreamResponse:
    """Removes the object."""
    req.bucket.delete(req.object_name)
    return web.Response()


@routes.default("PATCH", "objects")
async def set_custom(req: Request) -> web.StreamResponse:
    """Adds custom properties, or with `set-new-custom` replaces them."""
    bucket, message = req.bucket, await req.action()
    if not isinstance(message.value, dict):
        raise BadRequest("custom properties are an object of names and values")
    custom = {str(key): str(value) for key, value in message.value.items()}
    if not all(text.isprintable() for pair in custom.items() for text in pair):
        raise BadRequest("custom properties travel in headers; they may not have line breaks or control characters")
    old = {} if req.flag("set-new-custom") else bucket.get(req.object_name).custom
    await asyncio.to_thread(bucket.set_custom, req.object_name, {**old, **custom})
    return web.Response()


@routes.action("POST", "objects", "check-lock")
async def check_lock(req: Request) -> web.StreamResponse:
    """Whether the object is being written: never for long, an object appears in one step."""
    req.bucket.get(req.object_name)
    return web.Response()


async def body_chunks(req: Request) -> AsyncIterator[bytes]:
    """The body of a PUT as it comes.

    Raises:
        ConnectionError: If it ends before its announced length.
    """
    size, announced = 0, req.http.content_length
    if req.http.headers.get("Expect", "").lower() == "100-continue" and req.http.transport is not None:
        req.http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async for chunk in req.http.content.iter_any():
        size += len(chunk)
        yield chunk
    if announced is not None and size != announced:
        raise ConnectionResetError(f"the body ended after {size} of {announced} bytes")


def check_announced(req: Request, writer: ObjectWriter) -> None:
    """Holds what was written against the checksum in the request's headers, if there is one.

    Raises:
        BadChecksum: If they differ.
    """
    announced = req.http.headers.get("Ais-Checksum-Value", "")
    kind = req.http.headers.get("Ais-Checksum-Type", CHECKSUM_TYPE)
    if announced and kind == CHECKSUM_TYPE and announced != writer.checksum:
        raise BadChecksum(req.key.cname(writer.name), announced, writer.checksum)
