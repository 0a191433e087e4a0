"""Objects of an index, read: over the engine where it can, through a source's own reader where only that knows how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, pairwise

import numpy as np
from aistore.sdk import AISSource, Bucket
from aistore.sdk.etl import ETLConfig
from aistore.sdk.multiobj import ObjectGroup

from aistorch.config import ReadConfig
from aistorch.fetch.batch import BatchOptions, BatchStream
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.pool import engines
from aistorch.fetch.request import Request
from aistorch.fetch.routes import NO_ROUTE, Route, requests_for
from aistorch.fetch.settings import ClusterSettings
from aistorch.index.listing import is_listed_as
from aistorch.index.object_index import ObjectIndex


def bucket_of(source: AISSource) -> Bucket | None:
    """The SDK bucket that a source's objects lie in; None for sources of a user's own class."""
    if is_listed_as(source, Bucket):
        return source
    return source.bck if is_listed_as(source, ObjectGroup) else None


@dataclass(frozen=True)
class Reader:
    """Reads objects listed from a row of sources. Holds no connection; can be pickled.

    Attributes:
        sources: By the number that `ObjectIndex.sources` holds.
        config: How to read.
        etl: Applied to each object, where one is named.
        batch: What is asked of GetBatch, where the config has objects read by it.
    """

    sources: Sequence[AISSource]
    config: ReadConfig
    etl: ETLConfig | None = None
    batch: BatchOptions = field(default_factory=BatchOptions)

    def read(self, part: ObjectIndex) -> list[Sample]:
        """All objects of `part`, in its order, several at once.

        Raises:
            AIStorchError: One of them could not be read.
        """
        samples: list[Sample | None] = [None] * len(part)
        channels = self._channel_column(part)
        for channel in np.flatnonzero(np.bincount(channels)).tolist():  # np.unique imports numpy.ma: 20 ms
            positions = np.flatnonzero(channels == channel)
            whole = len(positions) == len(part)
            chosen = part if whole else part.take(positions)
            runs = self._stream_channel(channel, iter([chosen]), in_order=True)
            found = (sample for run in runs for sample in run)
            for position, sample in zip(positions.tolist(), found, strict=True):
                samples[position] = sample
        return [sample for sample in samples if sample is not None]

    def stream(self, pages: Iterable[ObjectIndex]) -> Iterator[list[Sample]]:
        """The objects of all pages, in order unless the config says otherwise, in lists of one or more.

        Raises:
            AIStorchError: An object could not be read; all before it have been handed out.
        """
        for channel, group in groupby(self._uniform(pages), key=lambda pair: pair[0]):
            yield from self._stream_channel(channel, (page for _, page in group), self.config.in_order)

    def _uniform(self, pages: Iterable[ObjectIndex]) -> Iterator[tuple[int, ObjectIndex]]:
        """Pages, cut where the next object is to be read in another way, with the number of that way."""
        for page in pages:
            channels = self._channel_column(page)
            cuts = [0, *(np.flatnonzero(np.diff(channels)) + 1).tolist(), len(page)]
            for start, stop in pairwise(cuts):
                if start < stop:
                    yield int(channels[start]), page[start:stop]

    def _stream_channel(self, channel: int, pages: Iterator[ObjectIndex], in_order: bool) -> Iterator[list[Sample]]:
        settings = self.channels[channel]
        if settings is None:
            for page in pages:
                objects = (page.foreign[position] for position in range(len(page)))
                yield from read_objects(objects, self.etl, self.batch.skip_failed)
            return
        with engines.lend(settings, self.config) as engine:

            def by_get(pages: Iterator[ObjectIndex]) -> Iterator[list[Sample]]:
                # What GetBatch left out is put in its place by order.
                return engine.stream(self._requests(settings, pages), in_order or self.config.mode != "get")

            if self.config.mode == "get":
                yield from by_get(pages)
            else:
                cluster = engines.cluster(settings)
                stream = BatchStream(cluster, self.config, self._batch_bucket, by_get, self.batch)
                yield from stream.stream(pages) if self.etl is None else stream.stream_without(pages)

    def _batch_bucket(self, group: ObjectIndex) -> Bucket | None:
        """The bucket of a group; None for one in a namespace, which the SDK does not tell GetBatch."""
        bucket = self._buckets[group.sources[0]]
        return None if bucket is None or bucket.namespace else bucket

    def _requests(self, settings: ClusterSettings, pages: Iterator[ObjectIndex]) -> Iterator[Request]:
        position = 0
        for page in pages:
            yield from requests_for(page, self.routes, engines.cluster(settings), position)
            position += len(page)

    def _channel_column(self, page: ObjectIndex) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return self._channel_of_source[page.sources]

    def channel_of(self, source: int) -> int:
        """The number of the way in which a source's objects are read."""
        return int(self._channel_of_source[source])

    @cached_property
    def routes(self) -> list[Route]:
        """What the requests for the objects of each source have in common."""
        return [Route.of_bucket(bucket, self.etl) if bucket else NO_ROUTE for bucket in self._buckets]

    @cached_property
    def channels(self) -> list[ClusterSettings | None]:
        """The different ways to read: one for each cluster, and None for a source's own reader."""
        return list(dict.fromkeys(self._settings))

    @cached_property
    def _settings(self) -> list[ClusterSettings | None]:
        return [ClusterSettings.of_client(bucket.client) if bucket else None for bucket in self._buckets]

    @cached_property
    def _buckets(self) -> list[Bucket | None]:
        return [bucket_of(source) for source in self.sources]

    @cached_property
    def _channel_of_source(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([self.channels.index(settings) for settings in self._settings], dtype=np.int64)

    def __getstate__(self) -> dict[str, object]:
        return {"sources": self.sources, "config": self.config, "etl": self.etl, "batch": self.batch}
