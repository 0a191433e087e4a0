"""How much is in a bucket: two protocols of the SDK, both of them ask, are told to wait, and ask again (2.2).

The numbers are there at once; the first answer says "wait" all the same, because the SDK insists on it.
"""

from __future__ import annotations

import json
import shutil
import uuid
from typing import Any

from aiohttp import web

from aistorch.server.bucket import Bucket
from aistorch.server.bucket_api import head_bucket, props_json
from aistorch.server.request import Request
from aistorch.server.routes import Routes
from aistorch.server.store import Store

routes = Routes()


@routes.action("GET", "buckets", "summary-bck")
async def summarize(req: Request) -> web.StreamResponse:
    """`Bucket.summary()`: 202 with a job's id, then a list with one summary."""
    bucket, value = req.bucket, (await req.action()).value or {}
    if not value.get("uuid"):
        return web.json_response(_new_id(), status=202)
    return web.json_response([summary(req.app.store, bucket, str(value.get("prefix") or ""))])


@routes.query("HEAD", "buckets", "bsumm_remote")
async def info(req: Request) -> web.StreamResponse:
    """`Bucket.info()`: 202 with a job's id, then 200, all in headers; the prefix comes with the first request only."""
    bucket, job = req.bucket, req.query.get("uuid", "")
    if req.query.get("presence") in ("1", "3"):
        return await head_bucket(req)
    headers = {"Ais-Bucket-Props": props_json(bucket)}
    if not job:
        headers["Ais-Xaction-Id"] = _new_id()
        _remember(req.app.summary_prefixes, headers["Ais-Xaction-Id"], req.parts[1] if req.has_object else "")
        return web.Response(status=202, headers=headers)
    prefix = req.app.summary_prefixes.get(job, "")
    headers["Ais-Bucket-Summ"] = json.dumps(summary(req.app.store, bucket, prefix), separators=(",", ":"))
    return web.Response(headers=headers)


def summary(store: Store, bucket: Bucket, prefix: str) -> dict[str, Any]:
    """Counts and sizes of the objects with a prefix, as AIStore writes them."""
    found = [meta for name in bucket.names(prefix) if (meta := bucket.find(name)) is not None]
    sizes = [meta.size for meta in found]
    present = sum(1 for meta in found if meta.name not in bucket.uncached)
    remote = 0 if bucket.key.provider == "ais" else len(found)
    disk = shutil.disk_usage(store.root)
    return {
        **bucket.key.to_json(),
        "ObjCount": {"obj_count_present": str(present), "obj_count_remote": str(remote)},
        "ObjSize": {
            "obj_min_size": min(sizes, default=0),
            "obj_avg_size": sum(sizes) // max(len(sizes), 1),
            "obj_max_size": max(sizes, default=0),
        },
        "TotalSize": {
            "size_on_disk": str(sum(sizes)),
            "size_all_present_objs": str(sum(sizes)),
            "size_all_remote_objs": str(sum(sizes) if remote else 0),
            "total_disks_size": str(disk.total),
        },
        "used_pct": 100 * sum(sizes) // max(disk.total, 1),
        "is_present": True,
    }


def _new_id() -> str:
    return f"sum-{uuid.uuid4().hex[:9]}"


def _remember(prefixes: dict[str, str], job: str, prefix: str) -> None:
    while len(prefixes) >= 1000:
        del prefixes[next(iter(prefixes))]
    prefixes[job] = prefix
