"""What a dataset's arguments mean: URLs and SDK sources in one order, each with the prefixes wanted of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aistore.sdk import AISSource, Bucket, Client
from aistore.sdk.multiobj import ObjectGroup

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, NoEndpointError, NoSourceError
from aistorch.sources.url import SourceURL, parse_url

ENDPOINT_VARIABLE = "AIS_ENDPOINT"

SourceList: TypeAlias = AISSource | Sequence[AISSource]
PrefixMap: TypeAlias = Mapping[AISSource, str | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of one source whose names begin with one prefix.

    Attributes:
        source: An SDK bucket or group, or any other `AISSource`.
        prefix: How names begin; empty for all objects.
        position: Of the source in its list, which may hold the same one twice.
    """

    source: AISSource
    prefix: str = ""
    position: int = field(default=0, compare=False)

    @property
    def url(self) -> str:
        """Its URL; "" where the source lists in a way of its own, so that no URL tells what is in it."""
        source = self.source
        lists = getattr(type(source), "list_all_objects_iter", None)
        if not isinstance(source, Bucket) or lists is not Bucket.list_all_objects_iter:
            return ""
        uuid, name = (source.namespace.uuid, source.namespace.name) if source.namespace else ("", "")
        return str(SourceURL(source.provider.value, source.name, uuid, name, self.prefix))

    def __str__(self) -> str:
        return f"{describe(self.source)}/{self.prefix}" if self.prefix else describe(self.source)


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources of a dataset, in order.

    Attributes:
        sources: Buckets of the URLs first, then the sources given as such.
        prefix_map: Prefixes wanted from a source. One without an entry, or with None, is wanted whole; one
            with an empty list not at all.
    """

    sources: list[AISSource]
    prefix_map: dict[AISSource, list[str] | None]

    def selections(self) -> list[Selection]:
        """Each source with each of its prefixes, in order."""
        return [
            Selection(source, prefix, position)
            for position, source in enumerate(self.sources)
            for prefix in _or_whole(self.prefix_map.get(source))
        ]


def resolve_sources(
    ais_source_list: SourceList | None,
    prefix_map: PrefixMap | None,
    *,
    client_url: str | None = None,
    urls_list: str | Sequence[str] | None = None,
    owner: str,
) -> Sources:
    """Put the arguments of a dataset in order; no request is made.

    Args:
        ais_source_list: One source or several.
        prefix_map: Prefixes wanted from sources of that list.
        client_url: Endpoint for the URLs; else that of the environment variable `AIS_ENDPOINT`.
        urls_list: One source URL or several (`parse_url`); each becomes a bucket of its own.
        owner: Name of the class whose arguments these are, for messages.

    Raises:
        NoSourceError: There are neither sources nor URLs.
        NoEndpointError: There are URLs but no endpoint.
        InvalidURLError: A URL cannot be understood.
        InvalidArgumentError: A key of `prefix_map` is no source, or the endpoint is no http URL.
        ArgumentTypeError: An argument or a part of it is of a wrong type.
    """
    sources = _source_list(ais_source_list, owner)
    urls = _url_list(urls_list, owner)
    if not sources and not urls:
        raise NoSourceError(
            f"{owner} has nothing to read: give ais_source_list=[client.bucket('name')] "
            "or urls_list='ais://bucket/prefix'"
        )
    prefixes = _prefix_map(prefix_map, sources, owner)
    if not urls:
        return Sources(sources, prefixes)
    parsed = [parse_url(url) for url in urls]
    client = Client(endpoint(client_url, owner))
    from_urls: dict[AISSource, list[str] | None] = {
        url.bucket(client): [url.prefix] if url.prefix else None for url in parsed
    }
    return Sources([*from_urls, *sources], {**from_urls, **prefixes})


def describe(source: object) -> str:
    """A source for messages: its URL where it has one, else its class."""
    if isinstance(source, Bucket):
        namespace = source.namespace
        scope = f"@{namespace.uuid}#{namespace.name}/" if namespace else ""
        return f"{source.provider.value}://{scope}{source.name}"
    if isinstance(source, ObjectGroup):
        return f"group of objects in {describe(source.bck)}"
    return type(source).__name__


def endpoint(client_url: object, owner: str) -> str:
    """The endpoint that is meant: that given, else the environment's, in the form that the SDK's `Client` wants.

    That is with a small-letter scheme, without the `/v1` that the SDK adds, and with a slash behind a gateway's path.

    Raises:
        NoEndpointError: There is none.
        InvalidArgumentError: It is no http URL.
        ArgumentTypeError: It is no string.
    """
    if client_url is not None and not isinstance(client_url, str):
        raise ArgumentTypeError(
            f"{owner}: client_url must be a str such as 'http://host:8080', not {type(client_url).__name__}"
        )
    found = client_url or os.environ.get(ENDPOINT_VARIABLE, "")
    if not found:
        raise NoEndpointError(
            f"{owner} has URLs but no endpoint to read them from: give client_url='http://host:8080' "
            f"or set the environment variable {ENDPOINT_VARIABLE}"
        )
    scheme, separator, rest = found.strip().partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        origin = "client_url" if client_url else ENDPOINT_VARIABLE
        raise InvalidArgumentError(f"{owner}: {origin} is {found!r}: an endpoint begins with 'http://' or 'https://'")
    rest = rest.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{scheme.lower()}://{rest}{'/' if '/' in rest else ''}"


def _listed(given: Any) -> list[Any]:
    """One value or several as a list; None is no value."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _or_whole(prefixes: list[str] | None) -> list[str]:
    return [""] if prefixes is None else prefixes


def _source_list(given: Any, owner: str) -> list[AISSource]:
    sources = _listed(given)
    for source in sources:
        # Whatever can list itself is a source, AISSource or not.
        if not callable(getattr(source, "list_all_objects_iter", None)):
            hint = f": URLs such as {source!r} go into urls_list" if isinstance(source, str) else ""
            raise ArgumentTypeError(
                f"{owner}: ais_source_list must hold sources such as client.bucket('name'), "
                f"not {type(source).__name__}{hint}"
            )
    return sources


def _url_list(given: Any, owner: str) -> list[str]:
    urls = _listed(given)
    for url in urls:
        if not isinstance(url, str):
            hint = ": sources go into ais_source_list" if isinstance(url, AISSource) else ""
            raise ArgumentTypeError(
                f"{owner}: urls_list must hold URLs such as 'ais://bucket/prefix', not {type(url).__name__}{hint}"
            )
    return urls


def _prefix_map(given: Any, sources: list[AISSource], owner: str) -> dict[AISSource, list[str] | None]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(
            f"{owner}: prefix_map must be a dict such as {{bucket: ['prefix/']}}, not {type(given).__name__}"
        )
    for key in given:
        if key not in sources:
            name = describe(key) if isinstance(key, AISSource) else repr(key)
            raise InvalidArgumentError(
                f"{owner}: prefix_map has the key {name}, which is no source of ais_source_list: "
                "use the same object in both (each call of client.bucket() makes another source)"
            )
    return {source: _prefixes(prefixes, source, owner) for source, prefixes in given.items()}


def _prefixes(given: Any, source: AISSource, owner: str) -> list[str] | None:
    if given is None:
        return None
    prefixes = _listed(given)
    for prefix in prefixes:
        if not isinstance(prefix, str):
            raise ArgumentTypeError(
                f"{owner}: prefix_map must give a str or a list of str for {describe(source)}, "
                f"not {type(prefix).__name__}"
            )
    return prefixes
