"""Shards that were uploaded in parts, as `ShardWriter` uploads large ones: AIStore lists the first part alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardReader
from aistorch.errors import ShardError
from aistorch.index.archive_listing import archived_names
from tests.support import archives
from tests.support.shards import Files, grouped, read_slowly
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

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
