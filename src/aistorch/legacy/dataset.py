"""The datasets of the plugin's release 1.4, with the arguments that they had then."""

from __future__ import annotations

from collections.abc import Sequence

from aistore.sdk import Client
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object

from aistorch.datasets.base_map import AISBaseMapDataset
from aistorch.datasets.dataset import AISDataset as AISCurrentDataset
from aistorch.legacy.plugin import AISBaseIterDataset
from aistorch.legacy.plugin import AISIterDataset as AISCurrentIterDataset
from aistorch.sources.resolve import SourceList

URLs = str | Sequence[str]


class AISBaseClass(AISBaseMapDataset):
    """To derive map-style datasets of one's own from.

    Args:
        client_url (str): Endpoint.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider.
        ais_source_list (AISSource | list[AISSource]): Sources of the SDK; they come after the URLs.
    """

    def __init__(self, client_url: str, urls_list: URLs = (), ais_source_list: SourceList = ()) -> None:
        super().__init__(ais_source_list, client_url=client_url, urls_list=urls_list)
        self._client_url = client_url

    @property
    def client(self) -> Client:
        """A client of the SDK."""
        return Client(self._client_url)

    @property
    def _objects(self) -> Sequence[Object]:
        return self.get_obj_list()


class AISDataset(AISCurrentDataset):
    """Objects of AIStore by their index: `dataset[i]` is `(name: str, content: bytes)`.

    Args:
        client_url (str): Endpoint.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider.
        ais_source_list (AISSource | list[AISSource]): Sources of the SDK; they come after the URLs. In release 1.4.0
            the ETL's name stood here, which is still understood.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
    """

    def __init__(
        self,
        client_url: str,
        urls_list: URLs = (),
        ais_source_list: SourceList | str | None = (),
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        if isinstance(ais_source_list, str):
            ais_source_list, etl_name = None, ais_source_list
        super().__init__(client_url, urls_list, ais_source_list, etl_name)
        self._client_url = client_url
        self.etl_name = etl_name

    client = AISBaseClass.client


class AISBaseClassIter(AISBaseIterDataset):
    """To derive iterable datasets of one's own from.

    Args:
        client_url (str): Endpoint.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider.
        ais_source_list (AISSource | list[AISSource]): Sources of the SDK; they come after the URLs.
    """

    def __init__(self, client_url: str, urls_list: URLs = (), ais_source_list: SourceList = ()) -> None:
        super().__init__(ais_source_list, client_url=client_url, urls_list=urls_list)
        self._client_url = client_url

    client = AISBaseClass.client


class AISIterDataset(AISCurrentIterDataset):
    """Objects of AIStore in the order of their listing: yields `(name: str, content: bytes)`.

    Args:
        client_url (str): Endpoint.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider.
        ais_source_list (AISSource | list[AISSource]): Sources of the SDK; they come after the URLs.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
    """

    def __init__(
        self,
        client_url: str,
        urls_list: URLs = (),
        ais_source_list: SourceList = (),
        etl_name: str | ETLConfig | None = None,
    ) -> None:
        super().__init__(ais_source_list, etl_name=etl_name, client_url=client_url, urls_list=urls_list)
        self._client_url = client_url
        self.etl_name = etl_name

    client = AISBaseClass.client


# What was derived from them in 1.4 is told to be so.
AISBaseClass.register(AISDataset)
AISBaseClassIter.register(AISIterDataset)
