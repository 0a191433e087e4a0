"""The DataPipes that list: from URL prefixes, or from sources of the SDK, to the URLs of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from aistore.sdk import AISSource, Client
from aistore.sdk.etl import ETLConfig

from aistorch.datasets.datapipes import IterDataPipe, checked_source, functional_form
from aistorch.datasets.etl import etl_config
from aistorch.errors import ArgumentTypeError
from aistorch.index.listing import list_pages, warn_of_empty
from aistorch.sources.resolve import Selection, endpoint
from aistorch.sources.url import parse_url


@functional_form("list_files_by_ais", "ais_list_files")
class AISFileListerIterDataPipe(IterDataPipe[str]):
    """Lists objects: takes URL prefixes, and yields the URLs of all objects that begin with them.

    Also as `datapipe.list_files_by_ais(url=...)`. In a DataLoader with workers put `.sharding_filter()` behind it, as
    behind any DataPipe: without one, each worker yields all URLs.

    Args:
        source_datapipe (Iterable[str]): A list or a datapipe of prefixes, of any provider, such as `ais://bucket` or
            `aws://bucket/folder/`.
        url (str): Endpoint; the environment variable `AIS_ENDPOINT` by default.
        length (int): What `len()` says; with -1 that is a `TypeError`, since nothing is listed beforehand.

    Raises:
        ArgumentTypeError: `source_datapipe` is a URL, not a list of them; a `TypeError`, too.
        NoEndpointError: There is no endpoint.
    """

    def __init__(self, source_datapipe: Iterable[str], url: str | None = None, length: int = -1) -> None:
        owner = type(self).__name__
        self.source_datapipe = checked_source(source_datapipe, owner)
        self.url = endpoint(url, owner)
        self.length = length

    def __iter__(self) -> Iterator[str]:
        """The URLs, as they are listed; they begin as their prefix did.

        Raises:
            InvalidURLError: A prefix cannot be understood.
            BucketNotFoundError: A bucket does not exist.
        """
        client = Client(self.url)
        for prefix in self.source_datapipe:
            parsed = parse_url(prefix)
            selection = Selection(parsed.bucket(client), parsed.prefix)
            bucket = prefix.removesuffix(parsed.prefix).removesuffix("/") + "/"
            empty = True
            for page in list_pages(selection, 0):
                empty = False
                for name in page.names():
                    yield bucket + name
            if empty:
                warn_of_empty(selection)

    def __len__(self) -> int:
        if self.length < 0:
            raise TypeError(f"{type(self).__name__} has no length: nothing is listed beforehand; give length=")
        return self.length


@functional_form("ais_list_sources")
class AISSourceLister(IterDataPipe[str]):
    """Lists objects of SDK sources: yields the HTTP URL of each, at which any HTTP client can read it.

    Args:
        ais_sources (list[AISSource]): Buckets, object groups or any other source.
        prefix (str): How the names of all objects wanted begin.
        etl_name (str | ETLConfig): An ETL that exists on the cluster; the URLs lead to what it makes of the objects.
    """

    def __init__(
        self,
        ais_sources: AISSource | Sequence[AISSource],
        prefix: str = "",
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        self.sources = ais_sources if isinstance(ais_sources, Iterable) else [ais_sources]
        if isinstance(ais_sources, str):
            raise ArgumentTypeError(
                f"{type(self).__name__}: ais_sources must hold sources such as client.bucket('name'), not str: "
                "AISFileLister lists URLs"
            )
        self.prefix = prefix
        self.etl_name = etl_name
        self._etl = etl_config(etl_name)

    def __iter__(self) -> Iterator[str]:
        """The URLs, source by source."""
        options = {} if self._etl is None else {"etl": _for_urls(self._etl)}
        for source in self.sources:
            yield from source.list_urls(prefix=self.prefix, **options)


def _for_urls(etl: ETLConfig) -> ETLConfig:
    # In the URLs that the SDK makes, arguments of an ETL stand as they are, though servers take JSON.
    if isinstance(etl.args, dict):
        return ETLConfig(etl.name, json.dumps(etl.args, separators=(",", ":")))
    return etl


AISFileLister = AISFileListerIterDataPipe
