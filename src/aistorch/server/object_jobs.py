"""Calls that make an object of another one, or of something outside: copy, promote, blob download."""

from __future__ import annotations

import asyncio

from aiohttp import web

from aistorch.server.etl import transformed
from aistorch.server.etl_api import etls_of
from aistorch.server.http_errors import BadRequest
from aistorch.server.multiobject import copy_object, put_object
from aistorch.server.names import BucketKey, check_object_name
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()


@routes.query("PUT", "objects", "object_to")
async def copy_one(req: Request) -> web.StreamResponse:
    """Copies the object to another name, in the same bucket or in another one that exists; through an ETL if named."""
    key, name = BucketKey.from_uname(req.query["object_to"])
    source, target, new_name = req.bucket, req.app.store.bucket(key), check_object_name(name)
    if req.query.get("etl_name"):
        made = await transformed(etls_of(req), source, req.object_name, req.query.get("etl_args", ""))
        await asyncio.to_thread(put_object, target, new_name, made)
    else:
        await asyncio.to_thread(copy_object, source, req.object_name, target, new_name)
    return web.Response()


@routes.action("POST", "objects", "promote")
async def promote(req: Request) -> web.StreamResponse:
    """Refused: it would read any file of the machine. AIStore takes one folder only, for the same reason."""
    raise BadRequest(
        f"cannot promote to {req.bucket.key.cname()}: the embedded server reads no local files; put them instead",
        "errInvalidPromoteSource",
    )


@routes.action("POST", "objects", "blob-download")
async def blob_download(req: Request) -> web.StreamResponse:
    """Brings an object of a cloud bucket into the cluster."""
    bucket, action = req.bucket, await req.action()
    if bucket.key.provider == "ais":
        raise BadRequest(f"blob-download: expecting remote bucket (have {bucket.key.cname()})", "ErrNotRemoteBck")
    bucket.uncached.discard(bucket.get(action.name).name)
    return web.Response(text=req.app.jobs.finished("blob-download", bucket.key))
