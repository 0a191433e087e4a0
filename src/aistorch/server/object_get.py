"""GET of an object: all of it, or one byte range."""

from __future__ import annotations

import os

from aiohttp import hdrs, web
from multidict import istr

from aistorch.server.data_response import send_data
from aistorch.server.headers import object_headers
from aistorch.server.http_errors import BadRequest, RangeNotSatisfiable
from aistorch.server.ranges import content_range, parse_range
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()

_BLOB_DOWNLOAD = istr("Ais-Blob-Download")  # found faster than a str


@routes.default("GET", "objects")
async def get_object(req: Request) -> web.StreamResponse:
    """The object's bytes; checksum headers are those of the whole object, for a range as well."""
    bucket = req.bucket
    if req.key.provider == "ais" and req.http.headers.get(_BLOB_DOWNLOAD) == "true":
        raise BadRequest(f"cannot blob-download {req.key.cname(req.object_name)}: not in a remote bucket")
    meta, handle = bucket.open_handle(req.object_name)
    bucket.uncached.discard(meta.name)  # reading brings it into the cluster
    headers = object_headers(bucket, meta)
    headers[hdrs.CONTENT_TYPE] = "application/octet-stream"
    wanted = req.http.headers.get(hdrs.RANGE)
    if wanted is None:
        return await send_data(req, handle, 0, meta.size, status=200, headers=headers)
    try:
        offset, length = parse_range(wanted, meta.size)
    except RangeNotSatisfiable:
        os.close(handle)
        raise
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Range"] = content_range(offset, length, meta.size)
    return await send_data(req, handle, offset, length, status=206, headers=headers)
