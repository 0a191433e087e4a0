"""The map-style dataset for large objects, each read in parallel ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.map import AISMapDataset
from aistorch.datasets.object_buffer import ObjectBuffer
from aistorch.errors import InvalidArgumentError
from aistorch.fetch.engine import PART_SIZE, Sample
from aistorch.sources.resolve import PrefixMap, SourceList


class AISParallelMapDataset(AISMapDataset):
    """Objects of AIStore by their index, large ones in ranges: `dataset[i]` is `(name: str, buffer: ObjectBuffer)`.

    Objects of 8 MiB and more are read in ranges of that size, many at once. No process is started for it and no shared
    memory taken, so that it works in DataLoader workers as it does elsewhere.

    Args:
        ais_source_list: See `AISBaseMapDataset`.
        prefix_map: See `AISBaseMapDataset`.
        num_workers (int): Ranges and objects that are read at once. With 0 there are no ranges, and contents are
            `bytes`.
        client_url: See `AISBaseMapDataset`.
        urls_list: See `AISBaseMapDataset`.
        show_progress: See `AISBaseMapDataset`.
        config (ReadConfig): How objects are read; `num_workers` comes before its `in_flight`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object. AIStore has no ranges of
            what it makes, so each comes whole, by one request.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        prefix_map: PrefixMap | None = None,
        num_workers: int = 16,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        show_progress: bool = False,
        config: ReadConfig | None = None,
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        config = config or ReadConfig()
        if num_workers:
            if num_workers < 0:
                raise InvalidArgumentError(f"num_workers is {num_workers}; it must be 0 or more")
            config = replace(config, in_flight=num_workers, split_from=min(config.split_from, PART_SIZE))
        super().__init__(
            ais_source_list,
            prefix_map,
            etl_name,
            client_url=client_url,
            urls_list=urls_list,
            show_progress=show_progress,
            config=config,
        )
        self._num_workers = num_workers

    @property
    def num_workers(self) -> int:
        """How many ranges and objects are read at once."""
        return self._num_workers

    def __getitem__(self, index: int) -> tuple[str, ObjectBuffer]:  # type: ignore[override]
        """The object's name and content; a negative index counts from the end.

        Raises:
            SampleIndexError: The index lies outside; an `IndexError`, too.
            AIStorchError: The object could not be read.
        """
        return self._buffered(self._read([index]))[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[str, ObjectBuffer]]:  # type: ignore[override]
        """The samples of a batch, in the order of the indices, read concurrently.

        Where a subclass has a `__getitem__` of its own, that makes them, one after another.
        """
        if type(self).__getitem__ is not AISParallelMapDataset.__getitem__:
            return [self[index] for index in indices]
        return self._buffered(self._read(indices))

    def _buffered(self, samples: list[Sample]) -> list[tuple[str, ObjectBuffer]]:
        if not self._num_workers:
            return cast(list[tuple[str, ObjectBuffer]], samples)  # bytes, as the SDK's reader has it without workers
        return [(name, ObjectBuffer(name, content)) for name, content in samples]
