"""Shards that were uploaded in parts, as `ShardWriter` uploads large ones: AIStore lists the first part alone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardReader, ShardWriter
from aistorch.errors import ShardError
from aistorch.index.archive_listing import archived_names
from tests.support import archives
from tests.support.shards import Files, grouped, read_slowly
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

MIB = 1 << 20

FILES: Files = [("a.jpg", b"1"), ("b.jpg", b"2"), ("c.jpg", b"3"), ("c.cls", b"4")]


def put_in_parts(bucket: Bucket, name: str, data: bytes, part_size: int) -> None:
    upload = bucket.object(name).multipart_upload().create()
    for number, start in enumerate(range(0, len(data), part_size), 1):
        upload.add_part(number).put_content(data[start : start + part_size])
    upload.complete()


# The first part ends behind a file, where an archive may end, or amid a header.
@pytest.mark.parametrize("part_size", [2048, 1500])
def test_no_sample_and_no_extension_is_missed(ais: Server, bucket: Bucket, part_size: int) -> None:
    put_in_parts(bucket, "s.tar", pack(FILES), part_size)
    assert archived_names(bucket, "s.tar") == (sorted(name for name, _ in FILES) if ais.embedded else [])
    reader = AISShardReader(bucket)
    assert len(reader) == 3
    assert grouped(reader) == read_slowly([FILES])


def test_a_zip_that_cannot_be_listed_is_an_error(ais: Server, bucket: Bucket) -> None:
    put_in_parts(bucket, "s.zip", archives.pack(".zip", FILES), 100)
    if ais.embedded:
        assert sorted(grouped(AISShardReader(bucket))) == sorted(read_slowly([FILES]))
        return
    reader = AISShardReader(bucket)
    for read in (lambda: len(reader), lambda: next(iter(reader))):
        with pytest.raises(ShardError, match=r"s\.zip cannot be read: it was uploaded in parts.*by one PUT"):
            read()


# A process of its own, whose peak is that of the reading alone.
READ = """
import sys
from pathlib import Path
from aistorch import AISShardReader

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))

idle = kilobytes("VmRSS")
dataset = AISShardReader(client_url=sys.argv[1], urls_list=sys.argv[2])
print(sum(len(files["bin"]) for _, files in dataset), (kilobytes("VmHWM") - idle) * 1024)
"""


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_a_shard_that_nobody_knows(ais: Server, bucket: Bucket) -> None:
    if ais.embedded:
        pytest.skip("the embedded server lists all of it")
    body = bytes(1_500_000)
    with ShardWriter(bucket, max_size=1 << 30, index=False) as writer:
        for number in range(200):
            writer.write(f"{number:03}", {"bin": body})
    command = [sys.executable, "-c", READ, ais.endpoint, f"ais://{bucket.name}"]
    read, growth = map(int, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    assert read == 200 * len(body)
    assert growth < 150 * MIB
