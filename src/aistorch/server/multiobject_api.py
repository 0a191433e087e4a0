"""Calls that start jobs over many objects: delete, evict, prefetch, copy, transform, archive; and over buckets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from aistorch.server.archive_formats import ArchiveError, ArchiveFormat, format_of_mime, format_of_name
from aistorch.server.bucket import Bucket
from aistorch.server.etl import TransformFailed, transformed
from aistorch.server.http_errors import BadRequest, HTTPError, ObjectMissing
from aistorch.server.jobs import Job
from aistorch.server.multiobject import ArchivePlan, Renaming, Selection, copy_object, each, put_object
from aistorch.server.names import BucketKey, check_object_name
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()


@routes.action("DELETE", "buckets", "delete-listrange")
async def delete_objects(req: Request) -> web.StreamResponse:
    """Deletes the selected objects."""
    bucket, selection = req.bucket, Selection(await _value(req))

    def work(job: Job) -> None:
        each(selection.existing(bucket, job), bucket, job, bucket.delete)

    return _started(req.app.jobs.start("delete-listrange", bucket.key, work))


@routes.action("DELETE", "buckets", "evict-listrange")
async def evict_objects(req: Request) -> web.StreamResponse:
    """Takes the selected objects of a cloud bucket out of the cluster."""
    bucket, selection = _remote(req, "evict-listrange"), Selection(await _value(req))

    def work(job: Job) -> None:
        each(selection.existing(bucket, job), bucket, job, bucket.uncached.add)

    return _started(req.app.jobs.start("evict-listrange", bucket.key, work))


@routes.action("POST", "buckets", "prefetch-listrange")
async def prefetch_objects(req: Request) -> web.StreamResponse:
    """Brings the selected objects of a cloud bucket into the cluster."""
    bucket, selection = _remote(req, "prefetch-listrange"), Selection(await _value(req))

    def work(job: Job) -> None:
        each(selection.existing(bucket, job), bucket, job, bucket.uncached.discard)

    return _started(req.app.jobs.start("prefetch-listrange", bucket.key, work))


@routes.action("POST", "buckets", "copy-listrange", "etl-listrange")
async def copy_objects(req: Request) -> web.StreamResponse:
    """Copies the selected objects to another bucket, which is made if it does not exist; through an ETL if asked."""
    bucket, value, kind = req.bucket, await _value(req), (await req.action()).action
    selection, rename, to = Selection(value), Renaming.of(value), BucketKey.from_json(value.get("tobck"))
    dry, put, target = bool(value.get("dry_run")), _copying(req, kind, value), _target(req, to)

    def work(job: Job) -> None:
        def copy(name: str) -> None:
            if not dry:
                put(bucket, name, target, rename(name), job)

        each(selection.existing(bucket, job), bucket, job, copy, _noted(value))

    return _started(req.app.jobs.start(kind, bucket.key, work, to, prefix="tco-"))


@routes.action("POST", "buckets", "copy-bck", "etl-bck")
async def copy_bucket(req: Request) -> web.StreamResponse:
    """Copies all objects, or those with a prefix, to another bucket, made where missing; through an ETL if asked."""
    bucket, value, to, kind = req.bucket, await _value(req), _bucket_to(req), (await req.action()).action
    if to == bucket.key:
        raise BadRequest(f'cannot copy bucket "{to.cname()}" onto itself')
    prefix, rename, dry = str(value.get("prefix") or ""), Renaming.of(value), bool(value.get("dry_run"))
    put = _copying(req, kind, value)
    target = bucket if dry else _target(req, to)

    def work(job: Job) -> None:
        def copy(name: str) -> None:
            if not dry:
                put(bucket, name, target, rename(name), job)

        each(bucket.names(prefix), bucket, job, copy, _noted(value))

    return _started(req.app.jobs.start(kind, bucket.key, work, to))


@routes.action("PUT", "buckets", "archive")
async def archive_objects(req: Request) -> web.StreamResponse:
    """Makes an archive of the selected objects."""
    bucket, value = req.bucket, await _value(req)
    name = check_object_name(str(value.get("archname") or ""))
    to = BucketKey.from_json(value["tobck"]) if value.get("tobck") else bucket.key
    plan = ArchivePlan(
        source=bucket,
        target=req.app.store.bucket(to),
        name=name,
        form=_archive_format(name, str(value.get("mime") or "")),
        selection=Selection(value),
        with_bucket=bool(value.get("isbn")),
        append=bool(value.get("aate")),
        lenient=bool(value.get("coer")),
    )
    return _started(req.app.jobs.start("archive", bucket.key, plan.run, to))


def _copying(req: Request, kind: str, value: Mapping[str, Any]) -> Callable[[Bucket, str, Bucket, str, Job], None]:
    """How an object is copied by a job of that kind: as it is, or as its ETLs make it, which run in this loop."""
    if not kind.startswith("etl-"):
        return copy_object
    etls = req.app.etls.running([str(value.get("id") or ""), *map(str, value.get("pipeline") or ())])
    loop = asyncio.get_running_loop()

    def transform(source: Bucket, name: str, target: Bucket, target_name: str, _job: Job) -> None:
        made = asyncio.run_coroutine_threadsafe(transformed(etls, source, name), loop).result()
        put_object(target, target_name, made)

    return transform


def _noted(value: Mapping[str, Any]) -> tuple[type[HTTPError], ...]:
    """What ends no job: with `coer`, continue on error, a failing ETL neither."""
    return (ObjectMissing, TransformFailed) if value.get("coer") else (ObjectMissing,)


def _archive_format(name: str, mime: str) -> ArchiveFormat:
    form = format_of_name(name)
    if form is None:
        raise ArchiveError(400, f"unknown filename extension of archive {name!r}", "errUnknownFileExt")
    if mime and format_of_mime(mime) is not form:
        raise BadRequest(f"mime mismatch {mime!r} vs {form.value!r}")
    return form


def _bucket_to(req: Request) -> BucketKey:
    uname = req.query.get("bck_to")
    if not uname:
        raise BadRequest('missing "bck_to" query parameter')
    return BucketKey.from_uname(uname)[0]


def _target(req: Request, key: BucketKey) -> Bucket:
    return req.app.store.ensure(key) if key.provider == "ais" else req.app.store.bucket(key)


def _remote(req: Request, action: str) -> Bucket:
    bucket = req.bucket
    if bucket.key.provider == "ais":
        raise BadRequest(f"{action}: expecting remote bucket (have {bucket.key.cname()})", "ErrNotRemoteBck")
    return bucket


async def _value(req: Request) -> dict[str, Any]:
    value = (await req.action()).value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("the action's value is not an object")
    return value


def _started(job_id: str) -> web.Response:
    return web.Response(text=job_id)
