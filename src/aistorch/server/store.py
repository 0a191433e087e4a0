"""All buckets, in one folder on disk.

    DIR/buckets/<provider>/<namespace>/<bucket>/bucket.json     when it was made, its properties
    DIR/buckets/<provider>/<namespace>/<bucket>/objects/ab/...  one file per object (`object_file`)
    DIR/tmp                                                     what is being written; emptied at start
    DIR/quarantine                                              files that are no complete objects

Everything appears and goes by a rename, so the folder is sound whenever the process ends. One process at a time owns
it, by a lock that dies with the process.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

import msgspec

from aistorch.errors import AIStorchError
from aistorch.server.bucket import INFO_FILE, Bucket, now, object_files, object_path, write_info
from aistorch.server.http_errors import BucketExists, BucketMissing
from aistorch.server.names import BucketKey
from aistorch.server.object_file import TornObjectError, read_trailer

_log = logging.getLogger(__name__)


class StoreLockedError(AIStorchError):
    """Another server uses the folder."""


class Store:
    """The buckets of one folder. Every method may be called from any thread.

    Args:
        root: The folder; made if it is not there.

    Raises:
        StoreLockedError: If another server uses it.
        OSError: If it cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._owner = _lock(root / "lock")
        self._counter = itertools.count()
        self._lock = threading.RLock()
        self._buckets: dict[BucketKey, Bucket] = {}
        shutil.rmtree(root / "tmp", ignore_errors=True)
        for folder in ("tmp", "buckets", "quarantine"):
            (root / folder).mkdir(exist_ok=True)
        self._scan()

    def close(self) -> None:
        """Lets another server use the folder."""
        self._owner.close()

    def temporary_path(self) -> Path:
        """A new path on the store's filesystem, for what will be renamed or dropped; emptied at the next start."""
        return self.root / "tmp" / f"{os.getpid()}-{next(self._counter)}"

    def bucket(self, key: BucketKey) -> Bucket:
        """The bucket.

        Raises:
            BucketMissing: If it does not exist.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            raise BucketMissing(key)
        return bucket

    def buckets(self, provider: str | None = None) -> list[Bucket]:
        """All buckets, or those of one provider, sorted by name."""
        with self._lock:
            found = [b for key, b in self._buckets.items() if provider in (None, key.provider)]
        return sorted(found, key=lambda bucket: bucket.key.uname())

    def create(self, key: BucketKey, props: Mapping[str, Any] | None = None) -> Bucket:
        """Makes a bucket.

        Raises:
            BucketExists: If there is one already.
        """
        with self._lock:
            if key in self._buckets:
                raise BucketExists(key)
            bucket = Bucket(self, key, self._path(key), now(), dict(props or {}))
            aside = self.temporary_path()
            aside.mkdir()
            write_info(aside, bucket.created, bucket.props, self.temporary_path())
            bucket.path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(aside, bucket.path)
            self._buckets[key] = bucket
            return bucket

    def ensure(self, key: BucketKey) -> Bucket:
        """The bucket, made if it does not exist."""
        with self._lock:
            return self._buckets.get(key) or self.create(key)

    def destroy(self, key: BucketKey) -> None:
        """Removes a bucket and all that is in it.

        Raises:
            BucketMissing: If it does not exist.
        """
        with self._lock:
            bucket = self.bucket(key)
            bucket.detach()
            del self._buckets[key]
            aside = self.temporary_path()
            os.rename(bucket.path, aside)
        shutil.rmtree(aside, ignore_errors=True)

    def rename(self, key: BucketKey, to: BucketKey) -> Bucket:
        """Gives a bucket another key.

        Raises:
            BucketMissing: If it does not exist.
            BucketExists: If the other does.
        """
        with self._lock:
            bucket = self.bucket(key)
            if to in self._buckets:
                raise BucketExists(to)
            path = self._path(to)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(bucket.path, path)
            del self._buckets[key]
            self._buckets[to] = bucket.moved(to, path)
            return self._buckets[to]

    def _path(self, key: BucketKey) -> Path:
        return self.root / "buckets" / key.provider / quote(key.ns_uname, safe="") / key.name

    def _scan(self) -> None:
        for info in sorted((self.root / "buckets").glob(f"*/*/*/{INFO_FILE}")):
            path = info.parent
            key = BucketKey.make(path.name, path.parent.parent.name, unquote(path.parent.name))
            known = json.loads(info.read_text())
            bucket = Bucket(self, key, path, known["created"], known["props"])
            for file in object_files(path):
                self._scan_object(bucket, file)
            self._buckets[key] = bucket

    def _scan_object(self, bucket: Bucket, file: Path) -> None:
        try:
            meta = read_trailer(file)
            if object_path(meta.name) != f"{file.parent.name}/{file.name}":
                raise TornObjectError(f"{file}: holds the object {meta.name!r}, which belongs elsewhere")
        except (TornObjectError, msgspec.DecodeError) as error:
            aside = self.root / "quarantine" / file.name
            _log.warning("%s; moved to %s", error, aside)
            os.replace(file, aside)
        else:
            bucket.add(meta)


def _lock(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreLockedError(f"{path.parent} is used by another server; stop it or choose another folder") from None
    return file
