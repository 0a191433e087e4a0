"""The fixtures themselves: each server is there, with as many targets as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aistore.sdk import Bucket

    from tests.contract.conftest import Server


def test_server_has_the_targets_it_claims(ais: Server) -> None:
    assert len(ais.client().cluster().get_info().tmap) == ais.targets


def test_bucket_is_there_and_empty(ais: Server, bucket: Bucket) -> None:
    assert bucket.name in {each.name for each in ais.client().cluster().list_buckets()}
    assert bucket.list_all_objects() == []


def test_bucket_takes_an_object(bucket: Bucket) -> None:
    bucket.object("a/b.bin").get_writer().put_content(b"content")
    assert bucket.object("a/b.bin").get_reader().read_all() == b"content"
