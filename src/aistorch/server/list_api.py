"""Listing: `GET /v1/buckets/<bucket>` with the action `list` (protocol facts, 4)."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from aistorch.server.bucket_api import list_buckets
from aistorch.server.http_errors import BadRequest
from aistorch.server.list_page import ListPage, make_page
from aistorch.server.list_request import ListRequest
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()
_MSGPACK = "application/msgpack"


@routes.action("GET", "buckets", "list")
async def list_any(req: Request) -> web.StreamResponse:
    """Buckets if the action has no value, else objects."""
    message = await req.action()
    if message.value is not None:
        return _list_objects(req, message.value)
    if req.parts and req.parts[0] != message.name:
        raise BadRequest(f"bad list-buckets request: {req.parts[0]!r} in the path, {message.name!r} in the message")
    return await list_buckets(req)


@routes.default("GET", "buckets")
async def list_plain(req: Request) -> web.StreamResponse:
    """A request without a body lists, too."""
    message = await req.action()
    if message.action:
        raise BadRequest(f"invalid action {message.action!r}")
    return _list_objects(req, {}) if req.parts else await list_buckets(req)


def _list_objects(req: Request, value: Any) -> web.Response:
    wanted = ListRequest.parse(value, remote=req.key.provider != "ais")
    page = make_page(req.bucket, wanted, req.app.cluster)
    if _MSGPACK in req.http.headers.get("Accept", ""):
        return web.Response(body=_ENCODER.encode(page), headers={"Content-Type": _MSGPACK})
    return web.json_response(_as_json(page))


_ENCODER = msgspec.msgpack.Encoder()


def _as_json(page: ListPage) -> dict[str, Any]:
    names = {"n": "name", "cs": "checksum", "a": "atime", "v": "version", "t": "location"}
    names |= {"m": "custom-md", "s": "size", "c": "copies", "f": "flags"}
    entries = []
    for entry in msgspec.to_builtins(page.Entries):
        renamed = {names[key]: value for key, value in entry.items()}
        if "size" in renamed:
            renamed["size"] = str(renamed["size"])
        entries.append(renamed)
    return {
        "uuid": page.UUID,
        "continuation_token": page.ContinuationToken,
        "entries": entries,
        "flags": page.Flags,
    }
