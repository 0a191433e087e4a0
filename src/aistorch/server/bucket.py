"""One bucket: a catalog in memory, one file per object on disk."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import shutil
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aistorch.server.http_errors import BucketMissing, ObjectMissing
from aistorch.server.names import BucketKey
from aistorch.server.object_file import DataWindow, ObjectMeta, encode_trailer
from aistorch.server.object_writer import ObjectWriter

if TYPE_CHECKING:
    from aistorch.server.store import Store

INFO_FILE = "bucket.json"
OBJECTS = "objects"


class Bucket:
    """The objects of one bucket. Every method may be called from any thread; none waits for another's data.

    Attributes:
        key: Which bucket it is.
        created: Nanoseconds since the epoch.
        props: What `set-bprops` changed, nested as AIStore nests bucket properties.
        uncached: In a bucket of another provider: names whose in-cluster copy was evicted. The bytes stay, they
            play the part of the provider's own copy.
    """

    def __init__(self, store: Store, key: BucketKey, path: Path, created: int, props: dict[str, Any]) -> None:
        self.key, self.path, self.created, self.props = key, path, created, props
        self.uncached: set[str] = set()
        self._folder = f"{path}/{OBJECTS}/"  # a string: pathlib is too slow for what every read needs
        self._store = store
        self._lock = threading.RLock()
        self._catalog: dict[str, ObjectMeta] = {}
        self._sorted: list[str] | None = []
        self._destroyed = False

    def __len__(self) -> int:
        return len(self._catalog)

    def __contains__(self, name: str) -> bool:
        return name in self._catalog

    @property
    def versioned(self) -> bool:
        """Whether versions are shown to clients; unless `versioning.enabled` was set, in AIStore's own buckets."""
        versioning = self.props.get("versioning")
        if versioning is None:
            return self.key.provider == "ais"
        return bool(versioning.get("enabled", self.key.provider == "ais"))

    def get(self, name: str) -> ObjectMeta:
        """What is known of the object.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        meta = self._catalog.get(name)
        if meta is None:
            raise ObjectMissing(self.key, name)
        return meta

    def find(self, name: str) -> ObjectMeta | None:
        """What is known of the object; None if there is none of that name."""
        return self._catalog.get(name)

    def open(self, name: str) -> tuple[ObjectMeta, IO[bytes]]:
        """The object's metadata and its file, at offset 0. The data is the first `meta.size` bytes, more follow.

        What was opened stays readable, as it is, when the object is overwritten or deleted.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        meta, handle = self.open_handle(name)
        return meta, open(handle, "rb", buffering=0)

    def open_handle(self, name: str) -> tuple[ObjectMeta, int]:
        """As `open`, but a bare file descriptor, which the caller closes: a file object costs as much as a small read.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        with self._lock:  # so that metadata and file belong together
            return self.get(name), os.open(self._file(name), os.O_RDONLY | os.O_CLOEXEC)

    def open_data(self, name: str) -> tuple[ObjectMeta, io.BufferedReader]:
        """The object's metadata and a buffered, seekable file that holds its data and nothing else.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        meta, file = self.open(name)
        return meta, io.BufferedReader(DataWindow(file, meta.size), 1 << 16)

    def writer(self, name: str, custom: Mapping[str, str] | None = None) -> ObjectWriter:
        """Begins an object that appears (or replaces another) when the writer commits."""
        return ObjectWriter(self._store.temporary_path(), name, dict(custom or {}), self._publish)

    async def put(self, name: str, chunks: AsyncIterable[bytes], custom: Mapping[str, str] | None = None) -> ObjectMeta:
        """Stores an object from a stream; nothing is kept if the stream fails."""
        with self.writer(name, custom) as writer:
            async for chunk in chunks:
                await writer.write_async(chunk)
            return writer.commit()

    def delete(self, name: str) -> None:
        """Removes an object.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        with self._lock:
            self.get(name)
            _remove(self._file(name))
            del self._catalog[name]
            self._sorted = None
            self.uncached.discard(name)

    def set_custom(self, name: str, custom: Mapping[str, str]) -> ObjectMeta:
        """Gives an object other custom properties. The file is copied: a trailer cannot be replaced in one step.

        Raises:
            ObjectMissing: If there is none of that name.
        """
        while True:
            meta, file = self.open(name)
            changed = replace(meta, custom=dict(custom))
            with file, self._store.temporary_file() as aside:
                with aside.open("xb") as changed_file:
                    shutil.copyfileobj(io.BufferedReader(DataWindow(file, meta.size)), changed_file, 1 << 20)
                    changed_file.write(encode_trailer(changed))
                with self._lock:
                    if self._catalog.get(name) is meta:  # else it was replaced or deleted in the meantime
                        os.replace(aside, self._file(name))
                        self._catalog[name] = changed
                        return changed

    def names(self, prefix: str = "", after: str = "") -> Iterator[str]:
        """Names with the prefix, in byte order of their UTF-8, behind `after`; as they are at the time of the call."""
        names = self.sorted_names()
        start = max(bisect_left(names, prefix), bisect_right(names, after) if after else 0)
        for index in range(start, len(names)):
            if not names[index].startswith(prefix):
                break
            yield names[index]

    def sorted_names(self) -> list[str]:
        """All names in byte order of their UTF-8; not to be changed. That is the order of code points, too."""
        with self._lock:
            if self._sorted is None:
                self._sorted = sorted(self._catalog)
            return self._sorted

    def add(self, meta: ObjectMeta) -> None:
        """Enters an object that lies on disk already; for the scan at start."""
        self._catalog[meta.name] = meta
        self._sorted = None

    def update_props(self, patch: Mapping[str, Any]) -> None:
        """Merges a nested patch into the bucket's properties, and keeps them on disk."""
        with self._lock:
            props = copy.deepcopy(self.props)
            _merge(props, patch)
            with self._store.temporary_file() as aside:
                write_info(self.path, self.created, props, aside)
            self.props = props

    def detach(self) -> None:
        """Ends the bucket's life: what is being written to it now cannot be committed any more."""
        with self._lock:
            self._destroyed = True

    def moved(self, key: BucketKey, path: Path) -> Bucket:
        """The same objects under another key; this instance has come to its end."""
        with self._lock:
            self.detach()
            bucket = Bucket(self._store, key, path, self.created, self.props)
            bucket._catalog, bucket._sorted, bucket.uncached = self._catalog, self._sorted, self.uncached
            return bucket

    def _publish(self, meta: ObjectMeta, file: IO[bytes], aside: Path) -> ObjectMeta:
        with self._lock:
            if self._destroyed:
                raise BucketMissing(self.key)
            old = self._catalog.get(meta.name)
            if old is not None:
                meta = replace(meta, version=old.version + 1)
            file.write(encode_trailer(meta))
            file.close()
            _move(aside, self._file(meta.name))
            self._catalog[meta.name] = meta
            if old is None:
                self._sorted = None
            self.uncached.discard(meta.name)
            return meta

    def _file(self, name: str) -> str:
        return self._folder + object_path(name)


def object_path(name: str) -> str:
    """Where an object lies: a digest in 256 folders, so that no name is too long, leads elsewhere or collides."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{digest[:2]}/{digest}"


def write_info(path: Path, created: int, props: Mapping[str, Any], aside: Path) -> None:
    """Writes the bucket's own file, in one step."""
    aside.write_text(json.dumps({"created": created, "props": props}))
    os.replace(aside, path / INFO_FILE)


def now() -> int:
    """Nanoseconds since the epoch."""
    return time.time_ns()


def _move(source: Path, target: str) -> None:
    try:
        os.replace(source, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _merge(into: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
