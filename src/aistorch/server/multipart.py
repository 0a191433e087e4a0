"""Multipart upload: an object that comes in numbered parts, in any order, and appears when it is declared complete."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
_MOST_DIGITS = 10


class UploadMissing(HTTPError):
    """No upload has that id, for that object (404)."""

    def __init__(self, upload_id: str, cname: str) -> None:
        super().__init__(
            404, f"upload {upload_id!r} does not exist (object {cname.partition('://')[2]!r})", "ErrNotFound"
        )


class Upload:
    """An upload under way.

    A part is joined to the object as soon as all parts before it are: what is left to do for the last request, whose
    client does not wait for long, is little, however large the object.

    Attributes:
        bucket: Where the object will be.
        name: The object.
        lock: For whoever calls `add`, `complete` or `drop`.
    """

    def __init__(self, bucket: Bucket, name: str, folder: Path) -> None:
        self.bucket, self.name = bucket, name
        self.lock = asyncio.Lock()
        folder.mkdir()
        self._folder = folder
        self._waiting: dict[int, Path] = {}  # parts that are not joined yet
        self._joined: list[int] = []  # sizes of those that are: 1, 2, 3 ...
        self._sent: Counter[int] = Counter()  # how often each has come
        try:
            self._writer = bucket.writer(name)
        except OSError:
            folder.rmdir()
            raise

    async def receive(self, req: Request) -> Path:
        """Stores the body of a request in a file; nothing is left of one that breaks off."""
        path = self._new_path()
        try:
            with path.open("xb") as file:
                async for chunk in body_chunks(req):
                    await asyncio.to_thread(file.write, chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def add(self, number: int, path: Path) -> None:
        """Takes a file for a part, in place of an earlier one of that number."""
        if number <= len(self._joined):
            self._separate()
        self._sent[number] += 1
        replaced = self._waiting.get(number)
        self._waiting[number] = path
        if replaced is not None:
            replaced.unlink()
        while (following := len(self._joined) + 1) in self._waiting:
            self._join(following)

    def complete(self, numbers: list[int]) -> ObjectMeta:
        """Makes the object of its parts, in the order of their numbers.

        Args:
            numbers: The parts the client sent, in any order; one that it sent twice, as the SDK has it, perhaps twice.

        Raises:
            BadRequest: They are not those that are there, or not 1, 2, 3 ... without a gap.
        """
        wanted = sorted(set(numbers))
        have = [*range(1, len(self._joined) + 1), *sorted(self._waiting)]
        repeated = any(count > self._sent[number] for number, count in Counter(numbers).items())
        if wanted != have or self._waiting or not wanted or repeated:
            raise BadRequest(f"cannot complete with parts {sorted(numbers)}: have {have}, and all of 1..n are needed")
        return self._writer.commit()

    def drop(self) -> None:
        """Removes the parts."""
        self._writer.abort()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _join(self, number: int) -> None:
        size = 0
        with self._waiting[number].open("rb") as part:
            while piece := part.read(_PIECE):
                size += self._writer.write(piece)
        self._joined.append(size)
        self._waiting.pop(number).unlink()

    def _separate(self) -> None:
        """Makes parts of the object again, which is rare enough to copy them."""
        with self._writer.written() as file:
            for number, size in enumerate(self._joined, 1):
                path = self._waiting[number] = self._new_path()
                with path.open("xb") as part:
                    while piece := file.read(min(_PIECE, size - part.tell())):
                        part.write(piece)
        self._writer.abort()
        self._writer, self._joined = self.bucket.writer(self.name), []

    def _new_path(self) -> Path:
        return self._folder / uuid.uuid4().hex


class Uploads:
    """All uploads under way; a restart forgets them, as it empties the store's temporary folder."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads: dict[str, Upload] = {}

    def begin(self, bucket: Bucket, name: str) -> str:
        """Begins an upload; returns its id."""
        upload_id = uuid.uuid4().hex[:9]
        self._uploads[upload_id] = Upload(bucket, name, self._store.temporary_path())
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

    @asynccontextmanager
    async def alone(self, req: Request) -> AsyncIterator[Upload]:
        """The upload that a request is about, when no other request is busy with it.

        Raises:
            UploadMissing: It does not exist, or another request has just ended it.
        """
        async with self.get(req).lock:
            yield self.get(req)

    async def end(self, req: Request) -> None:
        """Forgets the upload that a request is about.

        Raises:
            UploadMissing: It does not exist.
        """
        upload = self.get(req)
        del self._uploads[req.query["uploadId"]]
        await asyncio.to_thread(upload.drop)

    async def give_up(self, req: Request) -> None:
        """Forgets that upload when no other request is busy with it; nothing happens if one has ended it."""
        with contextlib.suppress(UploadMissing):
            async with self.alone(req):
                await self.end(req)


@routes.action("POST", "objects", "mpt-upload")
async def begin_upload(req: Request) -> web.StreamResponse:
    """Answers with the id of a new upload."""
    return web.Response(text=req.app.uploads.begin(req.bucket, req.object_name))


@routes.query("PUT", "objects", "uploadId")
async def put_part(req: Request) -> web.StreamResponse:
    """Takes one part."""
    upload, text = req.app.uploads.get(req), req.query.get("partNumber", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else 0
    if not 1 <= number <= MAX_PARTS:
        raise BadRequest(f"invalid part number {text[:80]!r}: use 1 to {MAX_PARTS}")
    try:
        path = await upload.receive(req)
        if not path.stat().st_size:
            path.unlink()
            raise BadRequest(f"{req.key.cname(upload.name)}: put-part invalid size (0)")
    except ConnectionError:
        raise  # the client may send the part again
    except OSError:  # the disk is full: parts that wait for others would keep it so
        await req.app.uploads.give_up(req)
        raise
    async with req.app.uploads.alone(req):
        try:
            await asyncio.to_thread(upload.add, number, path)
        except OSError:  # what is in the object's file by now, nobody knows
            await req.app.uploads.end(req)
            raise
    return web.Response()


@routes.action("POST", "objects", "mpt-complete")
async def complete_upload(req: Request) -> web.StreamResponse:
    """Makes the object appear."""
    numbers = _numbers((await req.action()).value)
    async with req.app.uploads.alone(req) as upload:
        try:
            meta = await asyncio.to_thread(upload.complete, numbers)
        except OSError:
            await req.app.uploads.end(req)
            raise
        await req.app.uploads.end(req)
    return web.Response(headers=object_headers(upload.bucket, meta))


@routes.query("DELETE", "objects", "uploadId")
async def abort_upload(req: Request) -> web.StreamResponse:
    """Forgets an upload and its parts."""
    async with req.app.uploads.alone(req):
        await req.app.uploads.end(req)
    return web.Response()


def _numbers(value: Any) -> list[int]:
    try:
        return [int(part["part-number"]) for part in value]
    except (TypeError, KeyError, ValueError, OverflowError):
        raise BadRequest("the value of mpt-complete is a list of parts, each with a 'part-number'") from None
