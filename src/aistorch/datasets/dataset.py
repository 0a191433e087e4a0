"""The dataset of the plugin's first releases."""

from __future__ import annotations

from collections.abc import Sequence

from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.datasets.map import AISMapDataset
from aistorch.sources.resolve import SourceList


class AISDataset(AISMapDataset):
    """`AISMapDataset` with the argument order of the plugin's first releases, URLs before sources.

    Args:
        client_url (str): Endpoint for `urls_list`; the environment variable `AIS_ENDPOINT` by default.
        urls_list (str | list[str]): Sources as URLs, `ais://bucket/prefix`, of any provider.
        ais_source_list (AISSource | list[AISSource]): Sources of the SDK; they come after the URLs.
        etl_name (str | ETLConfig): An ETL that exists on the cluster, applied to each object.
        show_progress: See `AISBaseMapDataset`.
        config (ReadConfig): How objects are read.
    """

    def __init__(
        self,
        client_url: str | None = None,
        urls_list: str | Sequence[str] | None = None,
        ais_source_list: SourceList | None = None,
        etl_name: str | ETLConfig | None = None,
        *,
        show_progress: bool = False,
        config: ReadConfig | None = None,
    ) -> None:
        super().__init__(
            ais_source_list,
            etl_name=etl_name,
            client_url=client_url,
            urls_list=urls_list,
            show_progress=show_progress,
            config=config,
        )
