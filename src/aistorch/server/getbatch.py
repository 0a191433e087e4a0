"""GetBatch: many objects, archived files and ranges of them in one answer, in the order of the request.

What cannot be had is told as early as possible: a range beyond the end, and in a strict request anything missing, is
refused before the first byte (AIStore does so only sometimes, see the protocol facts on GetBatch).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiohttp import web

from aistorch.server.archive_formats import MemberMissing, NotAnArchiveError
from aistorch.server.archive_member import OpenMember, open_member
from aistorch.server.archive_write import Entry, stream_archive
from aistorch.server.getbatch_request import MISSING, Batch, BatchEntry, parse_batch
from aistorch.server.http_errors import HTTPError, ObjectMissing
from aistorch.server.jobs import Job
from aistorch.server.request import Request
from aistorch.server.routes import Routes
from aistorch.server.streaming import send_stream

routes = Routes()

_SOFT_ERRORS = (ObjectMissing, MemberMissing, NotAnArchiveError)


class _Outcome(NamedTuple):
    size: int
    error: str = ""


@routes.default("GET", "ml")
async def get_batch(req: Request) -> web.StreamResponse:
    """Answers `GET /v1/ml/moss[/<bucket>]`."""
    batch = await parse_batch(req)
    with req.app.jobs.during("get-batch", prefix="gbt-") as job:
        if batch.streamed:
            return await send_stream(req, _archive_only(batch, job), batch.form.content_type)
        boundary = uuid.uuid4().hex
        return await send_stream(req, _multipart(batch, job, boundary), f"multipart/mixed; boundary={boundary}")


def _archive_only(batch: Batch, job: Job) -> Iterator[bytes]:
    for entry in batch.entries:
        if entry.ranged or not batch.lenient:
            _try(batch, entry)
    yield from stream_archive(batch.form, _entries(batch, job))


def _multipart(batch: Batch, job: Job, boundary: str) -> Iterator[bytes]:
    out = [_describe(entry, _try(batch, entry)) for entry in batch.entries]
    yield _part_head(boundary, "metadata") + json.dumps({"uuid": job.id, "out": out}).encode() + b"\n\r\n"
    yield _part_head(boundary, "archive", f'; filename="get-batch[{job.id}]"', "application/octet-stream")
    yield from stream_archive(batch.form, _entries(batch, job))
    yield f"\r\n--{boundary}--\r\n".encode()


def _part_head(boundary: str, name: str, disposition: str = "", content_type: str = "") -> bytes:
    kind = f"\r\nContent-Type: {content_type}" if content_type else ""
    text = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{disposition}{kind}\r\n\r\n'
    return text.encode()


def _try(batch: Batch, entry: BatchEntry) -> _Outcome:
    """Opens an entry to see what comes of it; refuses the request where that cannot be a placeholder."""
    try:
        size, content, _ = _open(entry)
    except _SOFT_ERRORS as error:
        if not batch.lenient:
            raise
        return _Outcome(0, error.message)
    content.close()
    return _Outcome(size)


def _entries(batch: Batch, job: Job) -> Iterator[Entry]:
    for entry in batch.entries:
        job.check()
        name = entry.output_name(batch.with_bucket)
        try:
            size, content, _ = _open(entry)
        except HTTPError as error:
            if not batch.lenient or not isinstance(error, _SOFT_ERRORS):
                raise
            yield Entry(MISSING + name, 0)
        else:
            job.count(size)
            yield Entry(name, size, content)


def _open(entry: BatchEntry) -> OpenMember:
    if entry.archpath:
        opened = open_member(entry.bucket, entry.name, entry.archpath)
    else:
        meta, file = entry.bucket.open_data(entry.name)
        opened = OpenMember(meta.size, file)
    try:
        start, length = entry.section(opened.size)
        if start:
            opened.content.seek(opened.offset + start)
    except BaseException:
        opened.content.close()
        raise
    return OpenMember(length, opened.content, opened.offset + start)


def _describe(entry: BatchEntry, outcome: _Outcome) -> dict[str, Any]:
    key = entry.bucket.key
    described = {"objname": entry.name, "archpath": entry.archpath, "bucket": key.name, "provider": key.provider}
    described |= {"err_msg": outcome.error, "opaque": entry.opaque}
    return {field: value for field, value in described.items() if value} | {"size": outcome.size}
