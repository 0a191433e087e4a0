"""Objects read by their URLs, which come one by one and of any bucket of one cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from aistore.sdk import Client
from aistore.sdk.etl import ETLConfig

from aistorch.config import ReadConfig
from aistorch.errors import InvalidURLError
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Sample
from aistorch.fetch.pool import engines
from aistorch.fetch.request import Request
from aistorch.fetch.routes import Route, requests_for
from aistorch.fetch.settings import ClusterSettings
from aistorch.index.object_index import ObjectIndex
from aistorch.sources.url import SourceURL, parse_url

T = TypeVar("T")

# URLs that are made requests of together: few at first, because somebody waits for the first object.
FIRST_PAGE, LAST_PAGE = 1, 64


def read_urls(
    urls: Iterable[str], client: Client, config: ReadConfig, etl: ETLConfig | None = None
) -> Iterator[list[Sample]]:
    """URL and content of each object, in order unless the config says otherwise, in lists of one or more.

    Raises:
        InvalidURLError: A URL names no object.
        AIStorchError: An object could not be read; all before it have been handed out.
    """
    settings = ClusterSettings.of_client(client.bucket("any").client)
    with engines.lend(settings, config) as engine:
        requests = _Requests(client, engines.cluster(settings), etl)
        yield from engine.stream(requests.of(urls), config.in_order)


class _Requests:
    """Makes requests of URLs, remembering the buckets that have occurred."""

    def __init__(self, client: Client, cluster: Cluster, etl: ETLConfig | None) -> None:
        self._client = client
        self._cluster = cluster
        self._etl = etl
        self._numbers: dict[SourceURL, int] = {}
        self._routes: list[Route] = []

    def of(self, urls: Iterable[str]) -> Iterator[Request]:
        position = 0
        for page in _pages(_parsed(urls)):
            sources = [self._number(parsed) for _, parsed in page]
            index = ObjectIndex.from_names([parsed.prefix for _, parsed in page], sources=sources)
            requests = requests_for(index, self._routes, self._cluster, position)
            for (url, _), request in zip(page, requests, strict=True):
                # As the user wrote it, in results and in errors.
                request.name, request.bucket = url, ""
                yield request
            position += len(page)

    def _number(self, url: SourceURL) -> int:
        bucket = SourceURL(url.provider, url.bucket_name, url.namespace_uuid, url.namespace_name)
        if bucket not in self._numbers:
            self._numbers[bucket] = len(self._routes)
            self._routes.append(Route.of_bucket(bucket.bucket(self._client), self._etl))
        return self._numbers[bucket]


def _parsed(urls: Iterable[str]) -> Iterator[tuple[str, SourceURL]]:
    for url in urls:
        parsed = parse_url(url)
        if not parsed.prefix:
            raise InvalidURLError(f"{url!r} names a bucket and no object: AISFileLister lists what is in it")
        yield url, parsed


def _pages(items: Iterator[T]) -> Iterator[list[T]]:
    """Lists of items, longer each time; all items come before what making them raises."""
    size = FIRST_PAGE
    failure: Exception | None = None
    while failure is None:
        page: list[T] = []
        try:
            for item in islice(items, size):  # one by one: those before a failure are kept
                page.append(item)
        except Exception as error:  # raised below
            failure = error
        if page:
            yield page
        elif failure is None:
            return
        size = min(2 * size, LAST_PAGE)
    raise failure
