"""All buckets, in one folder on disk.

    DIR/buckets/<provider>/<namespace>/<bucket>/bucket.json     when it was made, its properties
    DIR/buckets/<provider>/<namespace>/<bucket>/objects/ab/...  one file per object (`object_file`)
    DIR/tmp                                                     what is being written; emptied at start
    DIR/quarantine                                              files that are no complete objects

Everything appears and goes by a rename, so the folder is sound whenever the process ends. One process at a time owns
it, by a lock that dies with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

from aistorch.errors import AIStorchError
from aistorch.server.bucket import INFO_FILE, Bucket, now, write_info
from aistorch.server.http_errors import BadRequest, BucketExists, BucketMissing
from aistorch.server.names import BucketKey
from aistorch.server.scan import close_to_others, read_info, scan_objects

_log = logging.getLogger(__name__)


_FOLDERS = ("tmp", "buckets", "quarantine")
_IGNORED = ("lost+found",)


class StoreLockedError(AIStorchError):
    """Another server uses the folder."""


class ForeignFolderError(AIStorchError):
    """The folder is somebody's, and not an AIStore's."""


class Store:
    """The buckets of one folder. Every method may be called from any thread.

    Args:
        root: The folder; made if it is not there.

    Raises:
        StoreLockedError: If another server uses it.
        ForeignFolderError: If it holds other things than a store.
        OSError: If it cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        _check_own(root)
        self._owner = _lock(root / "lock")
        self._counter = itertools.count()
        self._lock = threading.RLock()
        self._buckets: dict[BucketKey, Bucket] = {}
        _empty(root / "tmp")
        for folder in _FOLDERS:
            (root / folder).mkdir(exist_ok=True)
        for path in (root, root / "lock", *(root / folder for folder in _FOLDERS)):
            close_to_others(path)
        self._scan()

    def close(self) -> None:
        """Lets another server use the folder."""
        self._owner.close()

    def temporary_path(self) -> Path:
        """A new path on the store's filesystem, for what will be renamed or dropped; emptied at the next start."""
        return self.root / "tmp" / f"{os.getpid()}-{next(self._counter)}"

    @contextlib.contextmanager
    def temporary_file(self) -> Iterator[Path]:
        """Such a path for the time of a `with` block; what is a file there at the end is removed."""
        path = self.temporary_path()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

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
            try:
                with self.temporary_file() as info:
                    write_info(aside, bucket.created, bucket.props, info)
                bucket.path.parent.mkdir(parents=True, exist_ok=True)
                os.rename(aside, bucket.path)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            self._buckets[key] = bucket
            return bucket

    def ensure(self, key: BucketKey) -> Bucket:
        """The bucket, made if it does not exist."""
        with self._lock:
            found = self._buckets.get(key)
            return self.create(key) if found is None else found  # an empty one counts, too

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
            try:
                key = BucketKey.make(path.name, path.parent.parent.name, unquote(path.parent.name))
                if path != self._path(key):
                    raise BadRequest(f"the folder of {key.cname()} is {self._path(key)}")
            except BadRequest as error:
                _log.warning("%s is left out, it is no bucket: %s", path, error)
                continue
            for own in (path.parent.parent, path.parent, path, info):
                close_to_others(own)
            bucket = Bucket(self, key, path, *read_info(path))
            scan_objects(bucket, self.root / "quarantine")
            self._buckets[key] = bucket


def _check_own(root: Path) -> None:
    # It is about to be closed to others, which would be a nuisance in a home folder or `/tmp`.
    if (root / "lock").exists():
        return
    found = next((path.name for path in root.iterdir() if path.name not in (*_FOLDERS, *_IGNORED)), None)
    if found is not None:
        raise ForeignFolderError(f"{root} is no folder of an AIStore and not empty, {found!r} is there; choose another")


def _empty(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _lock(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreLockedError(f"{path.parent} is used by another server; stop it or choose another folder") from None
    return file
