"""The DataPipe that loads: from the URLs of objects to their contents, read ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aistore.sdk import Client
from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.datapipes import IterDataPipe, checked_source, functional_form
from aistorch.datasets.etl import etl_config
from aistorch.datasets.object_stream import ObjectStream
from aistorch.fetch.by_url import read_urls
from aistorch.sources.resolve import endpoint


@functional_form("load_files_by_ais", "ais_load_files")
class AISFileLoaderIterDataPipe(IterDataPipe[tuple[str, ObjectStream]]):
    """Loads objects: takes their URLs, and yields `(url, stream)`, in which the stream is read like a file.

    Also as `datapipe.load_files_by_ais(url=...)`. Many objects are read at once and yielded in the order of the URLs,
    so URLs are taken from the source ahead of what has been yielded. In a DataLoader with workers, put
    `.sharding_filter()` before it, so that each worker reads no more than its own part.

    Args:
        source_datapipe (Iterable[str]): A list or a datapipe of objects' URLs, no prefixes, of any provider.
        url (str): Endpoint; the environment variable `AIS_ENDPOINT` by default.
        length (int): What `len()` says; with -1 that is the length of the source.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
        config (ReadConfig): How objects are read; they always are by plain GETs, whatever `mode` says.

    Raises:
        ArgumentTypeError: `source_datapipe` is a URL, not a list of them; a `TypeError`, too.
        NoEndpointError: There is no endpoint.
    """

    def __init__(
        self,
        source_datapipe: Iterable[str],
        url: str | None = None,
        length: int = -1,
        etl_name: str | ETLConfig | None = None,
        *,
        config: ReadConfig | None = None,
    ) -> None:
        owner = type(self).__name__
        self.source_datapipe = checked_source(source_datapipe, owner)
        self.url = endpoint(url, owner)
        self.length = length
        self.etl_name = etl_name
        self._etl = etl_config(etl_name)
        self._config = config or ReadConfig()

    def __iter__(self) -> Iterator[tuple[str, ObjectStream]]:
        """The objects.

        Raises:
            InvalidURLError: A URL cannot be understood.
            AIStorchError: An object could not be read; all before it have been yielded.
        """
        for run in read_urls(self.source_datapipe, Client(self.url), self._config, self._etl):
            for url, content in run:
                yield url, ObjectStream(url, content)

    def __len__(self) -> int:
        return len(self.source_datapipe) if self.length < 0 else self.length


AISFileLoader = AISFileLoaderIterDataPipe
