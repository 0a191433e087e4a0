"""Written shards held against their source: read back, by Python's own `tarfile` and not by what wrote them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, cast

import requests
import xxhash
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError
from aistore.sdk.obj.obj_file.errors import ObjectFileReaderMaxResumeError, ObjectFileReaderStreamError

from aistorch.errors import AIStorchError
from aistorch.progress import Progress
from aistorch.shards.destination import Destination
from aistorch.shards.member_index import INDEX_SUFFIX, MemberIndex
from aistorch.shards.pack_plan import Plan, PlannedShard
from aistorch.shards.pack_source import PackSource
from aistorch.sources.resolve import describe

_CHUNK = 1 << 20
_UNREADABLE = (
    AISError,
    requests.RequestException,
    ObjectFileReaderStreamError,
    ObjectFileReaderMaxResumeError,
    tarfile.TarError,
    OSError,
)


def verify(
    source: PackSource, plan: Plan, checksums: Sequence[int], destination: Destination, progress: Progress
) -> Iterator[str]:
    """What is wrong with the shards of a plan, a line each; nothing if every file is there as the source has it.

    Args:
        source: Where the files came from.
        plan: Which shard has which.
        checksums: The xxh64 of each file of the source, by position.
        destination: Where the shards are.
        progress: Counts samples and bytes.
    """
    for shard in plan.shards:
        url = f"{describe(destination.bucket)}/{shard.name}"
        try:
            yield from (f"{url}: {problem}" for problem in _problems(source, shard, checksums, destination.bucket))
        except _UNREADABLE as error:
            yield f"{url}: cannot be read back: {error}"
        progress.update(shard.size, len(shard.samples))


def _problems(source: PackSource, shard: PlannedShard, checksums: Sequence[int], bucket: Bucket) -> Iterator[str]:
    expected = {source.names[position]: position for position in shard.positions}
    entries = []
    content = _Counted(cast("IO[bytes]", bucket.object(shard.name).get_reader().as_file()))
    with tarfile.open(fileobj=content, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            entries.append((member.name, member.offset_data, member.size))
            position = expected.pop(member.name, None)
            if position is None:
                yield f"{member.name!r} should not be there"
                continue
            if not member.isreg():
                yield f"{member.name!r} is no regular file (a link to {member.linkname!r})"
                continue
            checksum = _checksum(tar.extractfile(member))
            if member.size != source.sizes[position]:
                yield f"{member.name!r} has {member.size} bytes, and {source.sizes[position]} in the source"
            elif checksum != checksums[position]:
                yield f"{member.name!r} differs from the source (xxh64 {checksum:016x}, not {checksums[position]:016x})"
    yield from (f"{name!r} is missing" for name in expected)
    yield from _problems_of_index(bucket, shard.name, MemberIndex.from_entries(entries, *content.finish(), shard.name))


def _problems_of_index(bucket: Bucket, name: str, expected: MemberIndex) -> Iterator[str]:
    try:
        stored = cast(bytes, bucket.object(name + INDEX_SUFFIX).get_reader().read_all())
        if MemberIndex.from_bytes(stored, name) != expected:
            yield f"its index {INDEX_SUFFIX} does not tell where its files are"
    except (AISError, requests.RequestException, AIStorchError) as error:
        yield f"its index cannot be used: {error}"


def _checksum(file: IO[bytes] | None) -> int:
    digest = xxhash.xxh64()
    while file is not None and (chunk := file.read(_CHUNK)):
        digest.update(chunk)
    return digest.intdigest()


class _Counted(io.RawIOBase):
    """Counts and digests what is read from a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self._digest = xxhash.xxh64()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._size += len(data)
        self._digest.update(data)
        return data

    def finish(self) -> tuple[int, int]:
        """Reads to the end; returns bytes and xxh64 of all that there was."""
        while self.read(_CHUNK):
            pass
        self._file.close()
        return self._size, self._digest.intdigest()
