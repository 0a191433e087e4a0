"""Reading by GetBatch: many objects in one request, and by plain GETs whatever it leaves out.

AIStore answers 200 before it reads the first object, and has no way to report what goes wrong later: it ends the
archive, or puts an empty placeholder in an object's place. So every member is counted and held against the listing.
"""

from __future__ import annotations

import logging
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np
import requests
import tenacity
import urllib3
import xxhash
from aistore.sdk import Bucket
from aistore.sdk.batch.batch import Batch, BatchResult
from aistore.sdk.enums import Colocation
from aistore.sdk.errors import AISError
from aistore.sdk.request_client import RequestClient
from aistore.sdk.retry_config import RetryConfig
from aistore.sdk.session_manager import SessionManager

from aistorch.config import ReadConfig
from aistorch.errors import ReadError
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Sample
from aistorch.index.object_index import ObjectIndex

logger = logging.getLogger(__name__)

# The fraction of the byte budget that the objects of one request may make up.
GROUP_SHARE = 4
# Groups that each way of reading is measured on.
TRIAL = 3
_BROKEN_ARCHIVE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
FAILURES = (AISError, requests.RequestException, urllib3.exceptions.HTTPError, OSError, *_BROKEN_ARCHIVE)

StreamPages = Callable[[Iterator[ObjectIndex]], Iterator[list[Sample]]]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What is asked of GetBatch.

    Attributes:
        length: Objects in one request, at most.
        output_format: Of the archive: ".tar", ".tgz", ".tar.gz" or ".zip".
        streaming: Have the archive sent while it is made, and not when it is complete.
        colocation: Whether the objects of a request are likely to lie on few targets.
        skip_failed: Leave out what cannot be read, and log it.
    """

    length: int = 64
    output_format: str = ".tar"
    streaming: bool = True
    colocation: Colocation = Colocation.NONE
    skip_failed: bool = False


class BatchStream:
    """Reads pages, all of one cluster, by GetBatch.

    Args:
        cluster: Remembers which way of reading was faster there.
        config: Size of the groups; whether to measure first.
        bucket_of: The bucket of a page's objects, all of one selection; None where GetBatch cannot address it.
        get: Reads pages by plain GETs.
        options: What is asked of GetBatch.
    """

    def __init__(
        self,
        cluster: Cluster,
        config: ReadConfig,
        bucket_of: Callable[[ObjectIndex], Bucket | None],
        get: StreamPages,
        options: BatchOptions = BatchOptions(),
    ) -> None:
        self._cluster = cluster
        self._config = config
        self._bucket_of = bucket_of
        self._get = self._read_what_can_be if options.skip_failed else get
        self._get_all = get
        self._options = options

    def stream(self, pages: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
        """The objects of all pages, in order, a group at a time.

        Raises:
            AIStorchError: One of them could not be read by a plain GET either.
        """
        groups = self._groups(pages)
        if self._config.mode == "auto":
            if self._cluster.batch_is_faster is None:
                yield from self._trial(groups)
            if not self._cluster.batch_is_faster:
                yield from self._get(groups)
                return
        yield from self._batches(groups)

    def stream_without(self, pages: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
        """The same by plain GETs alone, where GetBatch cannot be asked: it knows no ETL."""
        return self._get(self._groups(pages))

    def _trial(self, groups: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
        by_get, by_batch = _Pace(), _Pace()
        yield from by_get.over(self._get(islice(groups, TRIAL)))
        yield from by_batch.over(self._batches(islice(groups, TRIAL)))
        if by_batch.objects:
            self._cluster.batch_is_faster = by_batch.rate > by_get.rate
            logger.debug("GetBatch: %.0f objects a second, plain GETs: %.0f", by_batch.rate, by_get.rate)

    def _groups(self, pages: Iterator[ObjectIndex]) -> Iterator[ObjectIndex]:
        """Pages, cut into what one request asks for: of one selection, and no great part of the budget."""
        room = max(1, self._config.budget // GROUP_SHARE)
        for page in pages:
            start = 0
            while start < len(page):
                reach = page[start : start + self._options.length]
                same = int(np.argmax(np.append(reach.sources != reach.sources[0], True)))
                fitting = int(np.searchsorted(np.cumsum(reach.sizes.clip(0)), room, side="right"))
                stop = start + max(1, min(same, fitting))
                yield page[start:stop]
                start = stop

    def _batches(self, groups: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
        for group in groups:
            bucket = self._bucket_of(group)
            if bucket is None:
                yield from self._get(iter([group]))
            else:
                yield self._batch(bucket, group)

    def _batch(self, bucket: Bucket, group: ObjectIndex) -> list[Sample]:
        names = group.names()
        bodies = _fetch(self._client(bucket), bucket, group, names, self._options)
        missing = [position for position, body in enumerate(bodies) if body is None]
        if missing:
            rest = group.take(missing)
            recovered = self._bodies(rest) if self._options.skip_failed else _bodies_of(self._get(iter([rest])))
            for position, body in zip(missing, recovered, strict=True):
                bodies[position] = body
        return [(name, body) for name, body in zip(names, bodies, strict=True) if body is not None]

    def _read_what_can_be(self, groups: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
        for group in groups:
            found = zip(group.names(), self._bodies(group), strict=True)
            yield [(name, body) for name, body in found if body is not None]

    def _bodies(self, group: ObjectIndex) -> Iterator[bytes | None]:
        """Read by plain GETs; None for each object that cannot be read."""
        done = 0
        while done < len(group):
            try:
                for body in _bodies_of(self._get_all(iter([group[done:]]))):
                    done += 1
                    yield body
            except ReadError as error:
                logger.warning("left out: %s", error)
                done += 1
                yield None

    def _client(self, bucket: Bucket) -> RequestClient:
        if self._cluster.batch_client is None:
            self._cluster.batch_client = _without_retries(bucket.client)
        return self._cluster.batch_client


class _Pace:
    """How many objects a second a way of reading brings, the consumer's own time left out."""

    def __init__(self) -> None:
        self.objects = 0
        self._seconds = 0.0

    @property
    def rate(self) -> float:
        return self.objects / max(self._seconds, 1e-9)

    def over(self, runs: Iterator[list[Sample]]) -> Iterator[list[Sample]]:
        """Hands runs on, and measures."""
        while True:
            began = time.monotonic()
            run = next(runs, None)
            self._seconds += time.monotonic() - began
            if run is None:
                return
            self.objects += len(run)
            yield run


def _without_retries(client: RequestClient) -> RequestClient:
    """The same cluster's client that asks once: what it cannot have is read by plain GETs, not waited for (90 s)."""
    once = RetryConfig(
        http_retry=urllib3.Retry(0, redirect=None),
        network_retry=tenacity.Retrying(stop=tenacity.stop_after_attempt(1), reraise=True),
    )
    theirs = client.session_manager
    ours = SessionManager(once.http_retry, theirs.ca_cert, theirs.skip_verify, theirs.client_cert)
    return RequestClient(client.base_url, ours, client.timeout, client.token, retry_config=once)


def _bodies_of(runs: Iterator[list[Sample]]) -> Iterator[bytes]:
    return (body for run in runs for _, body in run)


def _fetch(
    client: RequestClient, bucket: Bucket, group: ObjectIndex, names: list[str], options: BatchOptions
) -> list[bytes | None]:
    """The bodies in the order of the names; None for each that did not arrive as it was listed."""
    bodies: list[bytes | None] = [None] * len(names)
    batch = Batch(
        client,
        objects=names,
        bucket=bucket,
        output_format=options.output_format,
        streaming_get=options.streaming,
        colocation=options.colocation,
    )
    try:
        for position, (info, body) in enumerate(cast(BatchResult, batch.get())):
            if not info.err_msg and _is_as_listed(group, position, body):
                bodies[position] = body
    except (*FAILURES, RuntimeError, ValueError) as error:
        # RuntimeError: more members than requests; ValueError: no archive. The rest is read by plain GETs.
        logger.debug("GetBatch from %s ended early: %s", bucket.name, error)
    return bodies


def _is_as_listed(group: ObjectIndex, position: int, body: bytes) -> bool:
    size, checksum = int(group.sizes[position]), int(group.checksums[position])
    if size >= 0 and len(body) != size:
        return False
    return not checksum or xxhash.xxh64_intdigest(body) == checksum
