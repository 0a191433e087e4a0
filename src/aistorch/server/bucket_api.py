"""Calls about whole buckets: create, destroy, rename, evict, list, properties."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from aistorch.server.bucket import Bucket
from aistorch.server.headers import CHECKSUM_TYPE, CHECKSUM_TYPES
from aistorch.server.http_errors import BadRequest
from aistorch.server.names import BucketKey, parse_namespace, parse_provider
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()


@routes.action("POST", "buckets", "create-bck")
async def create_bucket(req: Request) -> web.StreamResponse:
    """Makes a bucket; the action's value may be properties."""
    if req.key.provider != "ais":
        raise BadRequest(f"cannot create {req.key.cname()}: declare it at start, with '--bucket {req.key.cname()}'")
    value = (await req.action()).value
    props = value if isinstance(value, dict) else {}
    _check_props(props)
    req.app.store.create(req.key, props)
    return web.Response()


@routes.action("DELETE", "buckets", "destroy-bck")
async def destroy_bucket(req: Request) -> web.StreamResponse:
    """Removes a bucket with all its objects."""
    await asyncio.to_thread(req.app.store.destroy, req.key)
    return web.Response()


@routes.action("DELETE", "buckets", "evict-remote-bck")
async def evict_bucket(req: Request) -> web.StreamResponse:
    """Takes a cloud bucket's objects out of the cluster; they stay readable, as the provider still has them."""
    bucket = req.bucket
    if bucket.key.provider == "ais":
        raise BadRequest(f"bucket {bucket.key.cname()} is not remote", "ErrNotRemoteBck")
    bucket.uncached.update(bucket.sorted_names())
    return web.Response()


@routes.action("POST", "buckets", "move-bck")
async def rename_bucket(req: Request) -> web.StreamResponse:
    """Gives a bucket another name."""
    to, _ = BucketKey.from_uname(req.query.get("bck_to", ""))
    req.app.store.rename(req.key, to)
    return web.Response(text=req.app.jobs.finished("move-bck", to))


@routes.action("PATCH", "buckets", "set-bprops")
async def set_props(req: Request) -> web.StreamResponse:
    """Changes properties; kept, but only `versioning.enabled` has an effect."""
    bucket, value = req.bucket, (await req.action()).value
    if not isinstance(value, dict):
        raise BadRequest("bucket properties are an object")
    _check_props(value)
    bucket.update_props(value)
    return web.Response(text=req.app.jobs.finished("set-bprops", bucket.key))


@routes.default("HEAD", "buckets")
async def head_bucket(req: Request) -> web.StreamResponse:
    """The bucket's properties, in a header."""
    return web.Response(headers={"Ais-Bucket-Props": props_json(req.bucket)})


def _check_props(value: dict[str, Any]) -> None:
    """Refuses what would be kept but have no effect, or break what reads it.

    Raises:
        BadRequest: It names the property.
    """
    for name in ("versioning", "checksum"):
        if not isinstance(value.get(name, {}), dict):
            raise BadRequest(f"bucket property {name!r} is an object")
    kind = value.get("checksum", {}).get("type", CHECKSUM_TYPE)
    if kind not in CHECKSUM_TYPES:
        raise BadRequest(f"invalid checksum type {kind!r} (expecting {list(CHECKSUM_TYPES)})")
    if kind != CHECKSUM_TYPE:
        raise BadRequest(f"the embedded server has checksums of type {CHECKSUM_TYPE!r} only, not {kind!r}", "ErrUnsupp")


async def list_buckets(req: Request) -> web.StreamResponse:
    """All buckets of a provider (of all, if none is named) and of a namespace (of all, if none is)."""
    provider = parse_provider(req.query["provider"]) if req.query.get("provider") else None
    namespace = parse_namespace(req.query["namespace"]) if req.query.get("namespace") else None
    keys = [bucket.key for bucket in req.app.store.buckets(provider)]
    found = [key.to_json() for key in keys if namespace in (None, (key.uuid, key.namespace))]
    return web.json_response(found)


def props_json(bucket: Bucket) -> str:
    """The bucket's properties as AIStore writes them in a header."""
    props: dict[str, Any] = {
        "backend_bck": {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}},
        "write_policy": {"data": "", "md": ""},
        "provider": bucket.key.provider,
        "checksum": {"type": "xxhash2", "enable_read_range": False},
        "mirror": {"enabled": False, "copies": 1},
        "ec": {"enabled": False},
        "lru": {"enabled": False},
        "access": "18446744073709551615",
        "features": "0",
        "bid": str(bucket.created & ((1 << 52) - 1)),
        "created": str(bucket.created),
        "versioning": {"enabled": bucket.versioned, "validate_warm_get": False, "synchronize": False},
    }
    for key, value in bucket.props.items():
        default = props.get(key)
        props[key] = {**default, **value} if isinstance(default, dict) and isinstance(value, dict) else value
    return json.dumps(props, separators=(",", ":"))
