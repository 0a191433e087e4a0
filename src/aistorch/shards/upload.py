"""An object stored while it is being made: in parts, of which two are held in memory, or at once if it is small."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import requests
import xxhash
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError
from aistore.sdk.obj.multipart_upload import MultipartUpload

from aistorch.config import MIB, RetryPolicy
from aistorch.errors import WriteError
from aistorch.fetch.settings import ClusterSettings
from aistorch.shards.put import PutError, put
from aistorch.sources.resolve import describe

PART_SIZE = 16 * MIB
"""Bytes; cloud buckets take none below 5 MiB."""
MAX_PARTS = 9_999
"""As AIStore allows."""

COMPLETING_SECONDS = 120.0
"""How long a server may take to make an object of its parts: AIStore 5.0 loses it if it is asked again meanwhile."""

_FAILURES = (AISError, requests.RequestException, PutError)

logger = logging.getLogger(__name__)


class Upload:
    """The bytes of one new object, which appears in its bucket when `finish` returns and not before.

    Args:
        bucket: Where it will be.
        name: The object's name.
        retry: When a request is tried again.
        part_size: Bytes; what is no larger is stored by one PUT.
    """

    def __init__(self, bucket: Bucket, name: str, retry: RetryPolicy, part_size: int = PART_SIZE) -> None:
        self.url = f"{describe(bucket)}/{name}"
        self.size = 0
        self._bucket = bucket
        self._name = name
        self._retry = retry
        self._part_size = part_size
        self._settings = ClusterSettings.of_client(bucket.client)
        self._pieces: list[memoryview] = []
        self._held = 0
        self._digest = xxhash.xxh64()
        self._parts: _Parts | None = None

    def write(self, data: bytes) -> None:
        """Adds bytes.

        Raises:
            WriteError: A part could not be stored; only `abort` is of use then.
        """
        self.size += len(data)
        rest = memoryview(data)
        while self._held + len(rest) > self._part_size:
            room = self._part_size - self._held
            self._hold(rest[:room])
            with self._failures():
                self._send_part()
            rest = rest[room:]
        self._hold(rest)

    def finish(self) -> int:
        """Makes the object appear; returns its xxh64.

        Raises:
            WriteError: It could not be stored; `abort` then.
        """
        with self._failures():
            if self._parts is None:
                put(self._settings, self._target({}), self._take(), self._retry, repeatable=True)
            else:
                self._send_part()
                self._parts.wait()
                self._complete(self._parts)
        return self._digest.intdigest()

    def abort(self) -> None:
        """Forgets what was written; the bucket stays as it was before."""
        self._pieces.clear()
        if self._parts is not None:
            try:
                self._parts.abort()
            except _FAILURES as error:
                # What led here is to be told, not that the server may keep some parts until it cleans up.
                logger.warning("the parts of %s could not be removed: %s", self.url, error)

    def _hold(self, piece: memoryview) -> None:
        self._pieces.append(piece)
        self._held += len(piece)

    def _take(self) -> bytes:
        body = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        self._digest.update(body)
        return body

    def _send_part(self) -> None:
        if self._parts is None:
            self._parts = _Parts(self._bucket, self._name, self._settings)
        body, target = self._take(), self._target(self._parts.next_query())
        self._parts.send(lambda: put(self._settings, target, body, self._retry, repeatable=False))

    def _complete(self, parts: _Parts) -> None:
        try:
            parts.complete()
        except _FAILURES:
            # Once complete, the upload is unknown: to repeat a request whose answer was lost or late fails with 404.
            if not self._is_stored():
                raise

    def _is_stored(self) -> bool:
        try:
            found = self._bucket.object(self._name).head(props="size,checksum")
        except _FAILURES:
            return False
        return (found.size, found.checksum_value) == (self.size, self._digest.hexdigest())

    def _target(self, query: Mapping[str, object]) -> str:
        path = f"{self._settings.path}/objects/{quote(self._bucket.name)}/{quote(self._name)}"
        return f"{path}?{urlencode({**self._bucket.qparam, **query})}"

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            status = getattr(error, "status", 0) or getattr(error, "status_code", 0)
            raise WriteError(self.url, _cause(error, status), status) from error


class _Parts:
    """A multipart upload whose parts are sent one after another, by a thread, while the next one is being made.

    No part is sent twice: AIStore 5.0 cannot read an object of which that happened.
    """

    def __init__(self, bucket: Bucket, name: str, settings: ClusterSettings) -> None:
        self._settings = settings
        self._upload: MultipartUpload = bucket.object(name).multipart_upload().create()
        self._thread = ThreadPoolExecutor(1, "aistorch-upload")
        self._under_way: Future[None] | None = None

    def next_query(self) -> Mapping[str, object]:
        """The parameters by which the next part is sent."""
        # Only these are the SDK's: its writer sends a part again when it fails.
        return self._upload.add_part(len(self._upload.parts) + 1).query_params

    def send(self, put_part: Callable[[], None]) -> None:
        """Sends a part as soon as the one before it is stored; raises what came of that one."""
        self.wait()
        self._under_way = self._thread.submit(put_part)

    def wait(self) -> None:
        """Returns when all parts are stored; raises what came of the last one."""
        if self._under_way is not None:
            self._under_way.result()

    def complete(self) -> None:
        self._thread.shutdown()
        patient, longest = self._upload.client.clone(), self._settings.read_timeout
        if longest is not None:
            timeout = (self._settings.connect_timeout, max(longest, COMPLETING_SECONDS))
            patient.timeout = timeout  # type: ignore[assignment]  # None for either is one of the SDK's own values
        self._upload.client = patient
        self._upload.complete()

    def abort(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._upload.abort()


def _cause(error: Exception, status: int) -> str:
    if status in (401, 403):  # what the server says of a token may quote it
        return "the server wants a valid token that allows it; set AIS_AUTHN_TOKEN or give Client(..., token=)"
    text = getattr(error, "message", "") or str(error)
    try:
        return str(json.loads(text)["message"])
    except (ValueError, TypeError, KeyError):
        return text
