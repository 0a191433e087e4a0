"""Multipart upload: an object that comes in numbered parts, in any order, and appears when it is declared complete."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from aistorch.server.bucket import Bucket
from aistorch.server.headers import object_headers
from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.object_api import body_chunks
from aistorch.server.object_file import ObjectMeta
from aistorch.server.request import Request
from aistorch.server.routes import Routes
from aistorch.server.store import Store

routes = Routes()

MAX_PARTS = 9999
"""As in AIStore."""

_PIECE = 1 << 20


class UploadMissing(HTTPError):
    """No upload has that id, for that object (404)."""

    def __init__(self, upload_id: str, cname: str) -> None:
        super().__init__(
            404, f"upload {upload_id!r} does not exist (object {cname.partition('://')[2]!r})", "ErrNotFound"
        )


@dataclass
class Upload:
    """An upload under way.

    Attributes:
        bucket: Where the object will be.
        name: The object.
        folder: Holds the parts, one file each.
        parts: The file of each part that is there.
    """

    bucket: Bucket
    name: str
    folder: Path
    parts: dict[int, Path] = field(default_factory=dict)

    async def receive(self, req: Request, number: int) -> None:
        """Stores the body of a request as a part, in place of an earlier one of that number."""
        path = self.folder / uuid.uuid4().hex
        with path.open("xb") as file:
            async for chunk in body_chunks(req):
                await asyncio.to_thread(file.write, chunk)
        replaced = self.parts.get(number)
        self.parts[number] = path
        if replaced is not None:
            replaced.unlink()

    def complete(self, numbers: list[int]) -> ObjectMeta:
        """Makes the object of its parts, in the order of their numbers.

        Args:
            numbers: The parts the client sent, in any order.

        Raises:
            BadRequest: They are not those that are there, or not 1, 2, 3 ... without a gap.
        """
        wanted = sorted(set(numbers))
        if wanted != sorted(self.parts) or wanted != list(range(1, len(wanted) + 1)) or not wanted:
            have = sorted(self.parts)
            raise BadRequest(f"cannot complete with parts {wanted}: have {have}, and all of 1..n are needed")
        with self.bucket.writer(self.name) as writer:
            for number in wanted:
                with self.parts[number].open("rb") as part:
                    while piece := part.read(_PIECE):
                        writer.write(piece)
            return writer.commit()

    def drop(self) -> None:
        """Removes the parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Uploads:
    """All uploads under way; a restart forgets them, as it empties the store's temporary folder."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads: dict[str, Upload] = {}

    def begin(self, bucket: Bucket, name: str) -> str:
        """Begins an upload; returns its id."""
        folder = self._store.temporary_path()
        folder.mkdir()
        upload_id = uuid.uuid4().hex[:9]
        self._uploads[upload_id] = Upload(bucket, name, folder)
        return upload_id

    def get(self, req: Request) -> Upload:
        """The upload that a request is about.

        Raises:
            UploadMissing: It does not exist, or is for another object.
        """
        upload_id = req.query.get("uploadId", "")
        upload = self._uploads.get(upload_id)
        if upload is None or (upload.bucket.key, upload.name) != (req.key, req.object_name):
            raise UploadMissing(upload_id, req.key.cname(req.object_name))
        return upload

    async def end(self, req: Request) -> None:
        """Forgets the upload that a request is about.

        Raises:
            UploadMissing: It does not exist.
        """
        upload = self.get(req)
        del self._uploads[req.query["uploadId"]]
        await asyncio.to_thread(upload.drop)


@routes.action("POST", "objects", "mpt-upload")
async def begin_upload(req: Request) -> web.StreamResponse:
    """Answers with the id of a new upload."""
    return web.Response(text=req.app.uploads.begin(req.bucket, req.object_name))


@routes.query("PUT", "objects", "uploadId")
async def put_part(req: Request) -> web.StreamResponse:
    """Takes one part."""
    upload, text = req.app.uploads.get(req), req.query.get("partNumber", "")
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= MAX_PARTS:
        raise BadRequest(f"invalid part number {text!r}: use 1 to {MAX_PARTS}")
    await upload.receive(req, number)
    return web.Response()


@routes.action("POST", "objects", "mpt-complete")
async def complete_upload(req: Request) -> web.StreamResponse:
    """Makes the object appear."""
    upload, numbers = req.app.uploads.get(req), _numbers((await req.action()).value)
    meta = await asyncio.to_thread(upload.complete, numbers)
    await req.app.uploads.end(req)
    return web.Response(headers=object_headers(upload.bucket, meta))


@routes.query("DELETE", "objects", "uploadId")
async def abort_upload(req: Request) -> web.StreamResponse:
    """Forgets an upload and its parts."""
    await req.app.uploads.end(req)
    return web.Response()


def _numbers(value: Any) -> list[int]:
    try:
        return [int(part["part-number"]) for part in value]
    except (TypeError, KeyError, ValueError):
        raise BadRequest("the value of mpt-complete is a list of parts, each with a 'part-number'") from None
