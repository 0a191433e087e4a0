"""The iterable dataset that reads many objects by one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from aistore.sdk import Client
from aistore.sdk.enums import Colocation
from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.iterable import AISIterDataset
from aistorch.errors import InvalidArgumentError
from aistorch.fetch.batch import BatchOptions
from aistorch.fetch.client_batch import read_by_client
from aistorch.fetch.engine import Sample
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.reader import Reader
from aistorch.loading.by_position import Place
from aistorch.loading.split import Slot, Split
from aistorch.order.partition import Even
from aistorch.sources.resolve import PrefixMap, SourceList

FORMATS = (".tar", ".tgz", ".tar.gz", ".zip")


class AISBatchIterDataset(AISIterDataset):
    """`AISIterDataset` that reads by AIStore's GetBatch: yields `(name: str, content: bytes)`.

    What is missing in an answer, or is not as it was listed, is read again by a plain GET. Whether GetBatch is faster
    than plain GETs depends on the cluster: `config=ReadConfig(mode="auto")` measures both and takes the faster one.

    Args:
        ais_source_list: See `AISBaseIterDataset`.
        client (Client): Not needed: each source knows its own. Objects that a subclass chooses are asked of it.
        prefix_map: See `AISBaseIterDataset`.
        show_progress: See `AISIterDataset`.
        max_batch_size (int): Objects in one request at most; there are fewer where they are large.
        output_format (str): What the objects travel in: ".tar", ".tgz", ".tar.gz" or ".zip".
        streaming (bool): Have the server send while it reads, and not only when it has read all.
        colocation (Colocation): Whether the objects of a request are likely to lie on few targets.
        partition_sources_by_worker: See `AISBaseIterDataset`.
        cont_on_err (bool): Leave out what cannot be read, with a warning in the log; else that is an error. What was
            left out does not count as a sample: a saved state is exact only without it.
        client_url: See `AISBaseIterDataset`.
        urls_list: See `AISBaseIterDataset`.
        config: See `AISIterDataset`; `mode` is "batch" unless it says "auto".
        shuffle: See `AISIterDataset`.
        seed: See `AISIterDataset`.
        batch_size: See `AISIterDataset`; has nothing to do with `max_batch_size`.
        even: See `AISIterDataset`.
        rank: See `AISIterDataset`.
        world_size: See `AISIterDataset`.
        split: See `AISBaseIterDataset`.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object. GetBatch knows none, so
            all objects are read by plain GETs then, whatever `mode` says.
    """

    def __init__(
        self,
        ais_source_list: SourceList | None = None,
        client: Client | None = None,
        prefix_map: PrefixMap | None = None,
        show_progress: bool = False,
        max_batch_size: int = 32,
        output_format: str = ".tar",
        streaming: bool = True,
        colocation: Colocation = Colocation.NONE,
        partition_sources_by_worker: bool = False,
        cont_on_err: bool = False,
        *,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        config: ReadConfig | None = None,
        shuffle: bool = False,
        seed: int = 0,
        batch_size: int | None = None,
        even: Even = "pad",
        rank: int | None = None,
        world_size: int | None = None,
        split: Split | None = None,
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        if max_batch_size < 1:
            raise InvalidArgumentError(f"max_batch_size is {max_batch_size}; it must be 1 or more")
        if output_format.lower() not in FORMATS:
            raise InvalidArgumentError(f"output_format is {output_format!r}; use one of {', '.join(FORMATS)}")
        config = config or ReadConfig()
        super().__init__(
            ais_source_list,
            prefix_map,
            etl_name,
            show_progress=show_progress,
            partition_sources_by_worker=partition_sources_by_worker,
            client_url=client_url,
            urls_list=urls_list,
            config=config if config.mode == "auto" else replace(config, mode="batch"),
            shuffle=shuffle,
            seed=seed,
            batch_size=batch_size,
            even=even,
            rank=rank,
            world_size=world_size,
            split=split,
        )
        self.client = client
        self.max_batch_size = max_batch_size
        self.output_format = output_format
        self.streaming = streaming
        self.colocation = colocation
        self.cont_on_err = cont_on_err

    @property
    def _options(self) -> BatchOptions:
        return BatchOptions(
            self.max_batch_size, self.output_format, self.streaming, self.colocation, skip_failed=self.cont_on_err
        )

    @cached_property
    def _reader(self) -> Reader:
        sources = [selection.source for selection in self._selections]
        return Reader(sources, self._config, self._etl, self._options)

    def _runs(self, place: Place) -> Iterator[list[Sample]]:
        # A client that is none of the SDK's is a test's, and the objects it hands out lie nowhere.
        stand_in = self.client is not None and not isinstance(self.client, Client)
        if not (self._chooses_objects or stand_in):
            return super()._runs(place)
        objects = self._chosen_objects(Slot(place.world, place.share))
        if self.client is None or self._etl is not None:
            return read_objects(objects, self._etl, self.cont_on_err)
        return read_by_client(self.client, objects, self._options)
