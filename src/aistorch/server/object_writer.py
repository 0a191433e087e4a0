"""Writes one object: aside first, checksummed as it comes, then put in its place in one step."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

import xxhash

from aistorch.server.object_file import ObjectMeta

_BUFFER = 1 << 18
_THREAD_FROM = 1 << 20  # below, handing the write to a thread costs more than the write itself

Publish = Callable[[ObjectMeta, IO[bytes], Path], ObjectMeta]


class ObjectWriter:
    """A file-like object that becomes an object on `commit()`; leaving its `with` block without one drops it.

    Usable from any one thread at a time. Made by `Bucket.writer`.
    """

    def __init__(self, aside: Path, name: str, custom: dict[str, str], publish: Publish) -> None:
        self.name, self.size = name, 0
        self._aside, self._custom, self._publish = aside, custom, publish
        self._hash = xxhash.xxh64()
        self._file = aside.open("xb", buffering=_BUFFER)
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._committed = False

    @property
    def checksum(self) -> str:
        """xxh64 of what was written so far."""
        self._write_pending()
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        """Adds bytes; returns how many, as files do."""
        self._hash.update(data)
        self._file.write(data)
        self.size += len(data)
        return len(data)

    async def write_async(self, data: bytes) -> None:
        """Adds bytes from a coroutine: the disk of a large object does not hold up the event loop."""
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _THREAD_FROM:
            await asyncio.to_thread(self._write_pending)

    def flush(self) -> None:
        """Hands all that was added to the disk, which may refuse it."""
        self._write_pending()
        self._file.flush()

    def written(self) -> IO[bytes]:
        """What was written so far, as a file at offset 0."""
        self.flush()
        return self._aside.open("rb")

    def commit(self) -> ObjectMeta:
        """Makes the object visible.

        Raises:
            BucketMissing: If the bucket was destroyed in the meantime.
        """
        checksum = self.checksum
        meta = ObjectMeta(self.name, self.size, checksum, time.time_ns(), 1, self._custom)
        meta = self._publish(meta, self._file, self._aside)
        self._committed = True
        return meta

    def abort(self) -> None:
        """Drops what was written; nothing happens after a commit."""
        if not self._committed:
            self._aside.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # a full disk does not take what is still buffered
                self._file.close()

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _write_pending(self) -> None:
        pending, self._pending, self._pending_size = self._pending, [], 0
        for data in pending:
            self.write(data)
