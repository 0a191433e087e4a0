"""What the benchmark's objects are called and hold: the same on every machine, another for each sample."""

from __future__ import annotations

import io
import random
import tarfile
from functools import lru_cache

import xxhash

from aistorch.bench.workload import BucketSpec
from aistorch.shards.member_index import INDEX_SUFFIX, MemberIndex
from aistorch.shards.tar import Entry, TarHeaders

_OBJECT = "train/{:08d}.bin"
_ROW = "row-{}/"
_SHARD = "{:06d}.tar"
_FILE = "{:08d}.part{}"
_BLOCK = tarfile.BLOCKSIZE


def object_name(spec: BucketSpec, number: int) -> str:
    """The name of an object of a bucket by its number; names are in the order of numbers."""
    if not spec.shards:
        return _OBJECT.format(number)
    row, shard, suffix = _place(spec, number)
    return row_prefix(row) + _SHARD.format(shard) + suffix


def row_prefix(row: int) -> str:
    """What the names of a row's shards begin with."""
    return _ROW.format(row)


def object_content(spec: BucketSpec, number: int) -> bytes:
    """What that object holds."""
    if not spec.shards:
        return _content(number, spec.size)
    row, shard, suffix = _place(spec, number)
    archive = _archive(spec, row, shard)
    if not suffix:
        return archive
    places = map(Entry.of, TarHeaders("").feed(archive))
    return MemberIndex.from_entries(places, len(archive), xxhash.xxh64_intdigest(archive)).to_bytes()


def object_size(spec: BucketSpec, number: int) -> int:
    """How many bytes that is."""
    if not spec.shards:
        return spec.size
    _, shard, suffix = _place(spec, number)
    if suffix:
        return len(object_content(spec, number))
    files = len(_samples(spec, shard)) * spec.files
    return _rounded(files * _member_size(spec) + 2 * _BLOCK, tarfile.RECORDSIZE)


def file_offsets(spec: BucketSpec, number: int) -> range:
    """Where in a shard the content of each file begins, in bytes."""
    _, shard, _ = _place(spec, number)
    files, step = len(_samples(spec, shard)) * spec.files, _member_size(spec)
    return range(_BLOCK, _BLOCK + files * step, step)


def sample_contents(spec: BucketSpec, number: int) -> list[bytes]:
    """The contents of a sample's files; of several rows, those of the first one come first."""
    count = spec.rows * spec.files
    return [_content(number * count + part, spec.size) for part in range(count)]


def _place(spec: BucketSpec, number: int) -> tuple[int, int, str]:
    """Row and shard of an object, and what its name has behind that of the shard."""
    of_shard, is_index = divmod(number, 1 + spec.indexed)
    return *divmod(of_shard, spec.shards), INDEX_SUFFIX if is_index else ""


@lru_cache(maxsize=1)  # the index of a shard is made next
def _archive(spec: BucketSpec, row: int, shard: int) -> bytes:
    first = row * spec.files
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in _samples(spec, shard):
            for part, content in enumerate(sample_contents(spec, sample)[first : first + spec.files]):
                member = tarfile.TarInfo(_FILE.format(sample, part))
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _samples(spec: BucketSpec, shard: int) -> range:
    """Which samples are in a shard."""
    return range(spec.samples * shard // spec.shards, spec.samples * (shard + 1) // spec.shards)


def _member_size(spec: BucketSpec) -> int:
    """Bytes that a file takes in a shard, with its header."""
    return _BLOCK + _rounded(spec.size, _BLOCK)


def _content(number: int, size: int) -> bytes:
    """A number, then bytes that do not compress; as many as `size` in all."""
    return (number.to_bytes(8, "little") + _noise(size))[:size]


@lru_cache(maxsize=2)
def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(max(0, size - 8))  # noqa: S311  # to be repeatable, not secret


def _rounded(size: int, unit: int) -> int:
    return -(-size // unit) * unit
