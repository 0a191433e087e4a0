"""Jobs that only buckets of other providers have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aistore.sdk import Bucket, ListObjectFlag
from aistore.sdk.errors import AISError

from aistorch.server import EmbeddedAIStore


@pytest.fixture(scope="module")
def ais() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=3, buckets=["aws://pictures"]) as server:
        yield server


@pytest.fixture
def bucket(ais: EmbeddedAIStore) -> Bucket:
    found: Bucket = ais.client().bucket("pictures", provider="aws")
    for name in ("a", "b", "c"):
        found.object(name).get_writer().put_content(name.encode())
    return found


def cached(bucket: Bucket) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects(flags=[ListObjectFlag.CACHED])]


def wait(ais: EmbeddedAIStore, job: str) -> bool:
    return bool(ais.client().job(job).wait(timeout=60, verbose=False).success)


def test_evicted_objects_come_back_when_they_are_prefetched(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    assert wait(ais, bucket.objects(obj_names=["a", "c"]).evict())
    assert cached(bucket) == ["b"]
    assert [entry.name for entry in bucket.list_all_objects()] == ["a", "b", "c"]
    assert wait(ais, bucket.objects(obj_names=["a"]).prefetch())
    assert cached(bucket) == ["a", "b"]
    assert bucket.object("c").get_reader().read_all() == b"c"


def test_a_blob_download_brings_an_object_in(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    assert wait(ais, bucket.objects(obj_template="*").evict())
    assert cached(bucket) == []
    assert wait(ais, bucket.object("b").blob_download())
    assert cached(bucket) == ["b"]
    with pytest.raises(AISError) as caught:
        bucket.object("gone").blob_download()
    assert caught.value.status_code == 404


def test_other_providers_buckets_are_not_made_on_the_way(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    with pytest.raises(AISError) as caught:
        bucket.objects(obj_names=["a"]).copy(ais.client().bucket("unknown", provider="aws"))
    assert caught.value.status_code == 404
    assert wait(ais, bucket.objects(obj_names=["a"]).copy(ais.client().bucket("copies"))[0])
    assert ais.client().bucket("copies").object("a").get_reader().read_all() == b"a"
