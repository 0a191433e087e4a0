"""Shards that expand to far more than they are: read in bounded memory, or refused by the name of a file."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardReader, ReadConfig, ShardLimits
from aistorch.errors import InvalidArgumentError, ShardLimitError
from aistorch.shards.tar_write import member_head
from tests.support.objects import put_all
from tests.support.shards import grouped
from tests.support.tars import expanded, pack, sparse_gnu

if TYPE_CHECKING:
    from tests.contract.conftest import Server

zstandard = pytest.importorskip("zstandard")

MIB = bytes(1 << 20)
PEAK = """
import json, sys
from aistorch import AISShardReader, ReadConfig
from aistorch.errors import ShardLimitError
def memory(what): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what)) >> 10
def make(name, extensions=None):
    config = ReadConfig(budget=32 << 20)
    return AISShardReader(client_url=sys.argv[1], urls_list=sys.argv[2] + name, config=config, extensions=extensions)
list(make("/warm"))
for name in sys.argv[3:]:
    for extensions in (None, ["x"]):
        before, count, error = memory("VmRSS"), 0, ""
        open("/proc/self/clear_refs", "w").write("5")
        try:
            for _ in make("/" + name, extensions): count += 1
        except ShardLimitError as caught: error = str(caught)
        print(json.dumps([name, memory("VmHWM") - before, count, error]))
"""


def gzipped(parts: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(part) for part in parts) + packer.flush()


def zstd(parts: Iterable[bytes]) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(part) for part in parts) + bytes(packer.flush())


def one_file(size: int) -> list[bytes]:
    return [member_head("huge.x", size << 20), *([MIB] * size)]


def one_sample(size: int) -> list[bytes]:
    return [part for number in range(size) for part in (member_head(f"huge.{number}", 1 << 20), MIB)]


def samples(size: int) -> list[bytes]:
    return [part for number in range(size) for part in (member_head(f"{number}.x", 1 << 20), MIB)]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_memory_is_bounded_however_much_comes_of_a_shard(ais: Server, bucket: Bucket) -> None:
    bombs = {
        f"{parts.__name__}.{compress.__name__}": compress(parts(200))
        for parts in (one_file, one_sample, samples)
        for compress in (gzipped, zstd)
    }
    put_all(bucket, bombs | {"warm.tar": pack([("a.x", b"1")])})
    script = [sys.executable, "-c", PEAK, ais.endpoint, f"ais://{bucket.name}", *bombs]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == 12
    for name, peak, count, error in outcomes:
        assert peak < 32 + 60, name
        assert count == (200 if name.startswith("samples") else 0), name
        assert ("'huge." in error) == (count == 0), name


def test_limits_are_set_by_the_config(bucket: Bucket) -> None:
    files = [("a.x", b"1" * 3000), ("b.x", b"2" * (3 << 20)), ("c.x", b"3")]
    put_all(bucket, {"s.tar": pack(files)})

    def read(**limits: float) -> list[str]:
        config = ReadConfig(limits=ShardLimits(**limits))  # type: ignore[arg-type]
        return [name for name, _ in AISShardReader(bucket, config=config, extensions=["x"])]

    assert read() == read(max_member=3 << 20, max_sample=4 << 20) == ["a", "b", "c"]
    with pytest.raises(ShardLimitError, match=r"s\.tar exceeds a limit in member 'b\.x': a file of 3145728 bytes"):
        read(max_member=1 << 20)
    put_all(bucket, {"s.tar": pack([(f"a.{number}", bytes(1 << 20)) for number in range(8)])})
    assert read(max_sample=10 << 20) == ["a"]
    with pytest.raises(ShardLimitError, match=r"in member 'a\.\d': a sample of .* bytes or more"):
        read(max_sample=4 << 20)
    put_all(bucket, {"s.tar": gzip.compress(pack([("a.x", bytes(40 << 20))]))})
    with pytest.raises(ShardLimitError, match=r"'a\.x': a file of 41943040 bytes, and 16777216 are allowed"):
        read()
    assert read(max_ratio=2000) == ["a"]


def test_sparse_files_come_a_few_at_a_time_and_within_the_ratio(bucket: Bucket) -> None:
    size = (16 << 20) - 1
    names = [f"{number:02}.x" for number in range(20)]
    put_all(bucket, {"s.tar": b"".join(sparse_gnu(name, size, [(5, b"x")]) for name in names) + bytes(1024)})
    content = expanded(size, [(5, b"x")])
    assert all(files["x"] == content for _, files in AISShardReader(bucket))
    put_all(
        bucket, {"s.tar": pack([("0.x", b"1")], end=False) + sparse_gnu("1.x", size + 2, [(5, b"x")]) + bytes(1024)}
    )
    found = []
    with pytest.raises(ShardLimitError, match=r"'1\.x': a sparse file of 16777217 bytes"):
        found.extend(grouped(AISShardReader(bucket, extensions=["x"])))
    assert found in ([], [("0", {"x": b"1"})])


@pytest.mark.parametrize("name", ["max_member", "max_sample", "max_ratio"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=name):
        ShardLimits(**{name: 0})
