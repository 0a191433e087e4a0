"""The plugin's helpers, of all its releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import floor
from typing import cast

from aistore.sdk import AISSource, ArchiveConfig, Bucket, Client, ListObjectFlag
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object

MB_TO_B = 1_000_000
# The default of `DynamicBatchSampler`, in the plugin a name of that module.
SATURATION_FACTOR = 0.8


def convert_mb_to_bytes(megabytes: float) -> int:
    """Megabytes (10**6) as whole bytes, rounded down."""
    return floor(megabytes * MB_TO_B)


def convert_bytes_to_mb(bytes: int) -> float:  # noqa: A002  # the plugin's name
    """Bytes as megabytes (10**6)."""
    return bytes / MB_TO_B


def get_basename(name: str) -> str:
    """The last part of a path, up to its first dot."""
    return name.rpartition("/")[2].partition(".")[0]


def get_extension(name: str) -> str:
    """What follows the last dot of the last part of a path; nothing where there is none."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[2] if "." in last else ""


def parse_url(url: str) -> tuple[str, str, str]:
    """Provider, bucket and name of an object, or the prefix of several; no provider where the text has none."""
    provider, separator, rest = url.partition("://")
    if not separator:
        return "", "", url.lstrip("/")
    bucket, _, name = rest.partition("/")
    return provider, bucket, name.lstrip("/")


def unparse_url(provider: str, bck_name: str, obj_name: str) -> str:
    """The URL of an object."""
    bucket = f"{provider}://{bck_name}" if provider else f"//{bck_name}"
    return f"{bucket}/{obj_name.removeprefix('/')}" if obj_name else bucket


def list_objects(
    client: Client, urls_list: Sequence[str] = (), ais_source_list: Sequence[AISSource] = ()
) -> list[Object]:
    """All objects of some URLs, and then of some sources."""
    return list(list_objects_iterator(client, urls_list, ais_source_list))


def list_objects_iterator(
    client: Client, urls_list: Sequence[str] = (), ais_source_list: Sequence[AISSource] = ()
) -> Iterator[Object]:
    """All objects of some URLs, and then of some sources."""
    for url in urls_list:
        provider, bucket, prefix = parse_url(url)
        yield from client.bucket(bucket, provider).list_all_objects_iter(prefix=prefix)
    for source in ais_source_list:
        yield from source.list_all_objects_iter()


def list_objects_info(client: Client, urls_list: Sequence[str]) -> list[dict[str, str]]:
    """Provider, bucket and name of all objects of some URLs, as `provider`, `bck_name` and `object`."""
    return [
        {"provider": obj.bucket_provider.value, "bck_name": obj.bucket_name, "object": obj.name}
        for obj in list_objects_iterator(client, urls_list)
    ]


def list_shard_objects_iterator(bucket: Bucket, prefix: str = "", etl_name: str = "") -> Iterable[bytes]:
    """The contents of all files in all shards whose names begin with `prefix`."""
    etl = ETLConfig(etl_name)
    for shard in bucket.list_objects_iter(prefix=prefix, props="name"):
        inside = shard.name + "/"
        for entry in bucket.list_objects_iter(prefix=shard.name, props="name", flags=[ListObjectFlag.ARCH_DIR]):
            if entry.name.startswith(inside):
                archive = ArchiveConfig(archpath=entry.name.removeprefix(inside))
                reader = bucket.object(shard.name).get_reader(etl=etl, archive_config=archive)
                yield cast(bytes, reader.read_all())
