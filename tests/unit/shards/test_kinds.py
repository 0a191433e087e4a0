"""Objects that are no shards are named; shards that begin like other things are read."""

from __future__ import annotations

import pytest

from aistorch.errors import ShardError
from aistorch.shards.tar import TarStream
from tests.support.tars import fed, pack, read

SHARD = "ais://b/s.tar"


@pytest.mark.parametrize("size", [20, 600, 5000])
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG"),
        (b"\x89PNG\r\n\x1a\n", "a PNG"),
        (b"%PDF-1.7", "a PDF"),
        (b"PAR1", "a Parquet file"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b'{"a": 1}', "JSON"),
        (b"hello\n# hash", "text"),
    ],
)
def test_what_is_no_tar_is_named(head: bytes, kind: str, size: int) -> None:
    data = head.ljust(size, b" ")
    with pytest.raises(ShardError, match=rf"{SHARD} cannot be read: this is {kind}.*, and no TAR"):
        read(data, shard=SHARD)
    stream = TarStream(SHARD)
    with pytest.raises(ShardError, match=f"this is {kind}"):  # wherever it is cut
        fed(stream, (data[at : at + 1] for at in range(size)))


@pytest.mark.parametrize("name", ["GIF89a.x", "PAR1.x", "BM....\x01.x", "%PDF-.x", "fLaC.x", "{'1.x"])
def test_a_tar_may_begin_with_any_name(name: str) -> None:
    assert [file[:2] for file in read(pack([(name, b"1")]))] == [(name, b"1")]
