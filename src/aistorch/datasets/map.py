"""The map-style dataset: any object by its index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from operator import index as as_index

import numpy as np
from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.base_map import AISBaseMapDataset
from aistorch.datasets.etl import etl_config
from aistorch.errors import SampleIndexError
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.reader import Reader
from aistorch.index.object_index import ObjectIndex
from aistorch.sources.resolve import PrefixMap, SourceList


class AISMapDataset(AISBaseMapDataset):
    """Objects of AIStore by their index: `dataset[i]` is `(name: str, content: bytes)`.

    A DataLoader asks it for whole batches, and the objects of a batch are read concurrently.

    Args:
        ais_source_list: See `AISBaseMapDataset`.
        prefix_map: See `AISBaseMapDataset`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
        client_url: See `AISBaseMapDataset`.
        urls_list: See `AISBaseMapDataset`.
        show_progress: See `AISBaseMapDataset`.
        config (ReadConfig): How objects are read.
        index: See `AISBaseMapDataset`.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        etl_name: str | ETLConfig | None = None,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        show_progress: bool = False,
        config: ReadConfig | None = None,
        index: ObjectIndex | None = None,
    ) -> None:
        self._etl = etl_config(etl_name)  # refused before anything is listed
        self._etl_name = etl_name  # the name that subclasses written for the SDK's plugin use
        super().__init__(
            ais_source_list,
            prefix_map,
            client_url=client_url,
            urls_list=urls_list,
            show_progress=show_progress,
            index=index,
        )
        self._config = config or ReadConfig()

    @cached_property
    def _reader(self) -> Reader:
        sources = [selection.source for selection in self._selections]
        return Reader(sources, self._config, self._etl)

    def __getitem__(self, index: int) -> Sample:
        """The object's name and content; a negative index counts from the end.

        Raises:
            SampleIndexError: The index lies outside; an `IndexError`, too.
            AIStorchError: The object could not be read.
        """
        return self._read([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Sample]:
        """The samples of a batch, in the order of the indices, read concurrently.

        Where a subclass has a `__getitem__` of its own, that makes them, one after another.
        """
        if type(self).__getitem__ is not AISMapDataset.__getitem__:
            return super().__getitems__(indices)
        return self._read(indices)

    def _read(self, indices: Sequence[int]) -> list[Sample]:
        positions = self._positions(indices)
        if self._chosen is None:
            return self._reader.read(self._index.take(positions))
        runs = read_objects((self._chosen[position] for position in positions.tolist()), self._etl)
        return [sample for run in runs for sample in run]

    def _positions(self, indices: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        count = AISBaseMapDataset.__len__(self)  # whatever length a subclass tells
        positions = np.array([as_index(index) for index in indices], dtype=np.int64)
        outside = (positions < -count) | (positions >= count)
        if outside.any():
            raise SampleIndexError(
                f"{type(self).__name__}: index {positions[outside][0]} is outside a dataset of {count} objects"
            )
        return np.where(positions < 0, positions + count, positions)
