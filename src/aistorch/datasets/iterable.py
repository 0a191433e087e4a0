"""The iterable dataset: all objects, as fast as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.base_iter import AISBaseIterDataset
from aistorch.datasets.etl import etl_config
from aistorch.datasets.workers import Share
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.reader import Reader
from aistorch.progress import Progress
from aistorch.sources.resolve import PrefixMap, SourceList


class AISIterDataset(AISBaseIterDataset):
    """Objects of AIStore in the order of their listing: yields `(name: str, content: bytes)`.

    The first sample is there as soon as the first page of the listing is; many objects are under way at once.

    Args:
        ais_source_list: See `AISBaseIterDataset`.
        prefix_map: See `AISBaseIterDataset`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
        show_progress (bool): Show a bar with objects and bytes a second; in a DataLoader's worker, with its number.
        partition_sources_by_worker: See `AISBaseIterDataset`.
        client_url: See `AISBaseIterDataset`.
        urls_list: See `AISBaseIterDataset`.
        config (ReadConfig): How objects are read.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        etl_name: str | ETLConfig | None = None,
        show_progress: bool = False,
        partition_sources_by_worker: bool = False,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        config: ReadConfig | None = None,
    ) -> None:
        self._etl = etl_config(etl_name)  # refused before anything is listed
        super().__init__(
            ais_source_list, prefix_map, partition_sources_by_worker, client_url=client_url, urls_list=urls_list
        )
        self._show_progress = show_progress
        self._config = config or ReadConfig()

    @cached_property
    def _reader(self) -> Reader:
        sources = [selection.source for selection in self._selections]
        return Reader(sources, self._config, self._etl)

    def __iter__(self) -> Iterator[Sample]:
        """The samples of this worker.

        Raises:
            AIStorchError: An object could not be listed or read; all before it have been yielded.
        """
        runs = self._runs()
        if not self._show_progress:
            for run in runs:
                yield from run
            return
        with self._progress() as progress:
            for run in runs:
                for sample in run:
                    yield sample
                    progress.update(len(sample[1]))

    def _runs(self) -> Iterator[list[Sample]]:
        if self._chooses_objects:
            return read_objects(self._chosen_objects(), self._etl)
        return self._reader.stream(self._worker_pages())

    def _progress(self) -> Progress:
        share = Share.of_this_process()
        title = type(self).__name__
        if share.workers == 1:
            return Progress(True, title, total=None if self._index is None else len(self._index))
        return Progress(True, title, worker=share.worker)
