"""Shards for tests, and what is in them as a slow and simple reader sees it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import xxhash
from aistore.sdk import Bucket, Client

from aistorch import MemberIndex
from aistorch.shards.member_index import INDEX_SUFFIX
from aistorch.shards.tar import Entry, TarHeaders
from tests.support.objects import content, new_bucket
from tests.support.tars import pack

Files = list[tuple[str, bytes]]
Sample = tuple[str, dict[str, bytes]]


def files_of(shard: str, samples: int, extensions: Sequence[str] = ("jpg", "cls"), size: int = 100) -> Files:
    """The files of so many samples, with contents and sizes of their own."""
    sizes = random.Random(shard)
    return [
        (f"{shard}-{number:03}.{extension}", content(f"{shard}{number}{extension}", sizes.randrange(size)))
        for number in range(samples)
        for extension in extensions
    ]


def read_slowly(shards: Iterable[Files], extensions: Iterable[str] = ()) -> list[Sample]:
    """The samples of shards, one shard after another, as they ought to be read."""
    seen = dict.fromkeys(extensions, b"")
    samples: list[Sample] = []
    for files in shards:
        grouped: dict[str, dict[str, bytes]] = {}
        for path, body in files:
            folder, slash, name = path.rpartition("/")
            key, dot, extension = name.partition(".")
            if key and dot:
                grouped.setdefault(folder + slash + key, {})[extension] = body
        seen |= dict.fromkeys((extension for own in grouped.values() for extension in own), b"")
        bases = [key.rpartition("/")[2] for key in grouped]
        names = bases if len(set(bases)) == len(bases) else list(grouped)
        samples += [(name, seen | own) for name, own in zip(names, grouped.values(), strict=True)]
    return samples


def grouped(samples: Iterable[tuple[str, Any]]) -> list[Sample]:
    """Samples that can be compared and sorted, though their files came in a `ZeroDict`."""
    return [(name, dict(files)) for name, files in samples]


def names(samples: Iterable[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in samples]


def indexed(name: str, files: Files) -> dict[str, bytes]:
    """A shard, and the index beside it."""
    data = pack(files)
    return {name: data, name + INDEX_SUFFIX: index_of(name, data).to_bytes()}


def index_of(name: str, data: bytes) -> MemberIndex:
    return MemberIndex.from_entries(map(Entry.of, TarHeaders(name).feed(data)), len(data), xxhash.xxh64_intdigest(data))


@contextmanager
def shard_bucket(client: Client, shards: Mapping[str, Files], *, with_indices: bool = False) -> Iterator[Bucket]:
    """A bucket of its own with these shards, gone afterwards."""
    objects: dict[str, bytes] = {}
    for name, files in shards.items():
        objects |= indexed(name, files) if with_indices else {name: pack(files)}
    with new_bucket(client, objects) as bucket:
        yield bucket
