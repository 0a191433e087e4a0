"""Calls about jobs: how they are doing, starting and stopping them."""

from __future__ import annotations

import datetime
import json
from typing import Any

from aiohttp import web

from aistorch.server.cluster_api import query_cluster
from aistorch.server.http_errors import BadRequest
from aistorch.server.jobs import Job, JobMissing
from aistorch.server.names import BucketKey
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()

_NEVER = "0001-01-01T00:00:00Z"
_NOTHING_TO_DO = ("cleanup-store", "ec-encode", "load-lom-cache", "lru", "make-n-copies", "rebalance", "resilver")
"""Kinds that can be started; on the one disk of an embedded server they are done at once."""


@routes.query("GET", "cluster", "what")
async def query_jobs(req: Request) -> web.StreamResponse:
    """Answers `what=...` about jobs; passes on the other questions about the cluster."""
    what = req.query["what"]
    if what not in ("status", "qryxstats", "status_all", "running_all"):
        return await query_cluster(req)
    asked = await req.json() or {}
    if not isinstance(asked, dict):
        raise BadRequest("a question about jobs is an object with 'ID' and 'Kind', or 'kind' and 'show_active'")
    if what == "status":
        job = req.app.jobs.get(_text(asked, "ID"), _text(asked, "Kind"))
        return web.Response(text=json.dumps({"kind": job.kind, **_status(job)}))
    if what == "qryxstats":
        return web.json_response(_snapshots(req, _text(asked, "ID"), _text(asked, "Kind")))
    found = list(req.app.jobs.matching(kind=_text(asked, "kind")))
    if what == "status_all":
        active = asked.get("show_active")
        chosen = [_status(job) for job in found if not active or not job.ended]
        return web.Response(text=json.dumps(chosen or None))
    return web.json_response([f"{job.kind}[{job.id}]" for job in found if not job.ended])


@routes.action("PUT", "cluster", "start")
async def start_job(req: Request) -> web.StreamResponse:
    """Starts a job that needs nothing but its kind."""
    kind = _text((await req.action()).value, "Kind")
    if kind not in _NOTHING_TO_DO:
        raise BadRequest(f"cannot start a job of kind {kind!r}: use one of {', '.join(_NOTHING_TO_DO)}")
    return web.Response(text=req.app.jobs.finished(kind))


@routes.action("PUT", "cluster", "stop")
async def stop_job(req: Request) -> web.StreamResponse:
    """Stops the job of that id, or all of that kind; it is no error if there is none."""
    value = (await req.action()).value
    job_id, kind = _text(value, "ID"), _text(value, "Kind")
    if not job_id and not kind:
        raise BadRequest("cannot stop a job without a kind or an id")
    for job in req.app.jobs.matching(job_id, kind):
        job.abort()
    return web.Response()


def _status(job: Job) -> dict[str, Any]:
    return {"uuid": job.id, "err": job.error, "end_time": job.ended, "aborted": bool(job.abort_error)}


def _snapshots(req: Request, job_id: str, kind: str) -> dict[str, list[dict[str, Any]]]:
    jobs = list(req.app.jobs.matching(job_id, kind))
    if not jobs:
        raise JobMissing(job_id, kind)
    # What was done is told of one target only, so that adding up all of them gives the truth.
    return {
        target: [_snapshot(job, counted=index == 0) for job in jobs]
        for index, target in enumerate(req.app.cluster.targets)
    }


def _snapshot(job: Job, *, counted: bool) -> dict[str, Any]:
    objects, size = (job.objects, job.size) if counted else (0, 0)
    stats = {"loc-objs": str(objects), "loc-bytes": str(size)}
    stats |= {f"{way}-{unit}": "0" for way in ("out", "in") for unit in ("objs", "bytes")}
    return {
        "id": job.id,
        "kind": job.kind,
        "start-time": _rfc3339(job.started),
        "end-time": _rfc3339(job.ended),
        "bck": _bucket(job.bucket),
        "src-bck": _bucket(job.bucket if job.target else None),
        "dst-bck": _bucket(job.target),
        "abort-err": job.abort_error,
        "err": job.error,
        "glob.id": "0",
        "stats": stats,
        "aborted": bool(job.abort_error),
        "is_idle": bool(job.ended),
    }


def _bucket(key: BucketKey | None) -> dict[str, Any]:
    return key.to_json() if key else {"name": "", "provider": "", "namespace": {"uuid": "", "name": ""}}


def _rfc3339(nanoseconds: int) -> str:
    if not nanoseconds:
        return _NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _text(value: Any, field: str) -> str:
    return str(value.get(field) or "") if isinstance(value, dict) else ""
