"""GET of what is inside archives: `archpath` for one member, `archmode` with `archregx` for several."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web

from aistorch.server.archive import open_archive
from aistorch.server.archive_formats import ArchiveFormat
from aistorch.server.archive_member import open_member
from aistorch.server.archive_select import make_matcher, select_members
from aistorch.server.archive_write import Entry, read_content
from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BadRequest
from aistorch.server.request import Request
from aistorch.server.routes import Routes
from aistorch.server.streaming import send_stream

routes = Routes()


@routes.query("GET", "objects", "archpath")
async def get_member(req: Request) -> web.StreamResponse:
    """One member, as if it were an object, without the object's headers."""
    _check(req)
    path, mime = req.query["archpath"], req.query.get("archmime", "")
    member = await asyncio.to_thread(open_member, req.bucket, req.object_name, path, mime)
    pieces = read_content(Entry(path, member.size, member.content))
    return await send_stream(req, pieces, "application/octet-stream", member.size)


@routes.query("GET", "objects", "archmode")
async def get_matching(req: Request) -> web.StreamResponse:
    """All members that match, as a TAR, whatever the archive's own format."""
    _check(req)
    pieces = _matching(
        req.bucket,
        req.object_name,
        req.query["archmode"],
        req.query.get("archregx", ""),
        req.query.get("archmime", ""),
    )
    return await send_stream(req, pieces, ArchiveFormat.TAR.content_type)


def _matching(bucket: Bucket, name: str, mode: str, pattern: str, mime: str) -> Iterator[bytes]:
    shown = bucket.key.cname(name)
    _, file = bucket.open_data(name)
    with file, make_matcher(mode, pattern) as matches, open_archive(file, shown, mime) as archive:
        yield from select_members(archive, matches, shown)


def _check(req: Request) -> None:
    if req.query.get("archpath") and req.query.get("archmode"):
        raise BadRequest("use either archpath, for one member, or archmode with archregx, for those that match")
    if "Range" in req.http.headers:
        raise BadRequest("a range of an archived file is not supported", "ErrUnsupp")
