"""The files of a zip shard, taken out of it by the server: its directory is at the end, so it cannot be streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from aistorch.errors import TruncatedShardError
from aistorch.fetch.pool import engines
from aistorch.fetch.reader import Reader, bucket_of
from aistorch.fetch.request import UNKNOWN_SIZE, Request
from aistorch.fetch.routes import requests_for
from aistorch.index.archive_listing import ArchivedFile, archived_files
from aistorch.index.object_index import ObjectIndex
from aistorch.shards.grouping import split_name
from aistorch.shards.tar_contents import File, Files

ZIP_SUFFIX = ".zip"


def zip_members(reader: Reader, shard: ObjectIndex) -> Iterator[Files]:
    """The files of one shard in the order of `sample_by_sample`, one or more at a time; many are under way at once.

    Args:
        reader: How they are read.
        shard: The index of this shard alone.

    Raises:
        AIStorchError: A file could not be read.
    """
    source = int(shard.sources[0])
    bucket, settings = bucket_of(reader.sources[source]), reader.channels[reader.channel_of(source)]
    if bucket is None or settings is None:
        return
    files = sample_by_sample(archived_files(bucket, shard.name(0)))
    with engines.lend(settings, reader.config) as engine:
        whole = next(requests_for(shard, reader.routes, engines.cluster(settings)))
        for run in engine.deliver(_request(whole, position, file) for position, file in enumerate(files)):
            yield Files.of(_member(whole.url, files[request.position], bytes(content)) for request, content in run)


def sample_by_sample(listed: Iterable[ArchivedFile]) -> list[ArchivedFile]:
    """The same files, those of a sample together: where its first one is listed, in the order of the listing.

    Sorted by name they are not always: `a.d/x.jpg` is listed between `a.cls` and `a.jpg`.
    """
    samples: dict[tuple[str, bool], list[ArchivedFile]] = {}
    for file in listed:
        split = split_name(file.name)
        samples.setdefault((split[0], True) if split else (file.name, False), []).append(file)
    return [file for files in samples.values() for file in files]


def _request(whole: Request, position: int, file: ArchivedFile) -> Request:
    # A file in an archive has no ranges; of unknown size, none are asked for.
    request = Request(position, b"", UNKNOWN_SIZE, whole.target, f"{whole.name}/{file.name}", whole.bucket)
    request.aim(whole.aimed_at + b"&archpath=" + quote(file.name, safe="").encode())
    return request


def _member(shard: str, file: ArchivedFile, content: bytes) -> File:
    if len(content) != file.size:
        raise TruncatedShardError(shard, file.name, None, f"{len(content)} of {file.size} bytes came")
    return file.name, content, 0
