"""`AISShardMapDataset`: the samples of `AISShardReader` by their index, of which only the wanted bytes are read."""

from __future__ import annotations

import gzip
import pickle
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aistore.sdk import Bucket

import aistorch
from aistorch import AISShardMapDataset, AISShardReader, DynamicBatchSampler, ReadConfig
from aistorch.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    EmptyListingWarning,
    OversizedSampleWarning,
    SampleIndexError,
    ShardError,
    StaleShardIndexWarning,
    TruncatedShardError,
)
from tests.support import archives
from tests.support.loading import load
from tests.support.objects import content, put_all
from tests.support.shards import Files, files_of, grouped, index_of, indexed, names, read_slowly, shard_bucket
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SHARDS: dict[str, Files] = {
    "0.tar": files_of("a", 5),
    "1.tar": [("README", b"no sample")],
    "2.tar": [("x/1.jpg", b"1"), ("y/1.jpg", b"2"), ("y/1.seg.png", b""), ("z/日本.jpg", content("z", 5 << 20))],
    "3.tar": files_of("b", 4, ("jpg",)),
}
SEEN = {"jpg", "cls", "seg.png"}
EXPECTED = [
    (name, dict.fromkeys(SEEN, b"") | files) for name, files in read_slowly(SHARDS.values(), ["jpg", "cls", "seg.png"])
]
COUNT = len(EXPECTED)


@pytest.fixture(scope="module")
def plain(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), SHARDS) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), SHARDS, with_indices=True) as bucket:
        yield bucket


@pytest.fixture(params=["indexed", "scanned"])
def dataset(request: pytest.FixtureRequest, stored: Bucket, plain: Bucket) -> AISShardMapDataset:
    return AISShardMapDataset(stored if request.param == "indexed" else plain)


def test_samples_are_those_of_the_shard_reader(dataset: AISShardMapDataset, plain: Bucket) -> None:
    assert len(dataset) == COUNT
    samples = [dataset[index] for index in range(COUNT)]
    assert grouped(samples) == EXPECTED
    assert grouped(samples) == grouped(AISShardReader(plain, extensions=sorted(SEEN)))
    assert all(type(files) is aistorch.ZeroDict for _, files in samples)
    assert all(type(body) is bytes for _, files in samples for body in files.values())


def test_indices(dataset: AISShardMapDataset) -> None:
    wanted = [3, -1, 0, 3, -COUNT, COUNT - 1, 7, 6]
    assert grouped(dataset.__getitems__(wanted)) == [EXPECTED[index] for index in wanted]
    assert dataset[np.int64(2)] == EXPECTED[2]
    assert dataset.__getitems__([]) == []
    for outside in (COUNT, -COUNT - 1, 10**9):
        with pytest.raises(SampleIndexError, match=f"index {outside} is outside a dataset of {COUNT}"):
            dataset[outside]
    with pytest.raises(IndexError):
        dataset.__getitems__([0, COUNT])
    with pytest.raises(TypeError):
        dataset["0"]  # type: ignore[index]


def test_sizes(dataset: AISShardMapDataset) -> None:
    assert dataset.sizes.tolist() == [sum(map(len, files.values())) for _, files in EXPECTED]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_shuffles_reads_each_sample_once(dataset: AISShardMapDataset, workers: int) -> None:
    found = load(dataset, workers, "fork", batch_size=3, shuffle=True)
    assert sorted(grouped(found), key=str) == sorted(EXPECTED, key=str)


def test_it_can_be_pickled(dataset: AISShardMapDataset) -> None:
    assert dataset[4] == EXPECTED[4]
    copy = pickle.loads(pickle.dumps(dataset))
    assert grouped(copy.__getitems__([0, 8])) == [EXPECTED[0], EXPECTED[8]]


@pytest.mark.parametrize("config", [ReadConfig(budget=1), ReadConfig(direct=False), ReadConfig(mode="batch")])
def test_configurations_change_no_sample(stored: Bucket, config: ReadConfig) -> None:
    assert grouped(AISShardMapDataset(stored, config=config).__getitems__(list(range(COUNT)))) == EXPECTED


def test_urls_prefixes_and_objects_by_name(ais: Server, stored: Bucket, plain: Bucket) -> None:
    by_url = AISShardMapDataset(client_url=ais.endpoint, urls_list=f"ais://{stored.name}/3")
    assert grouped(by_url.__getitems__([0, 3])) == read_slowly([SHARDS["3.tar"]])[::3]
    by_prefix = AISShardMapDataset(stored, {stored: ["3", "0"]})
    assert names(by_prefix.__getitems__(list(range(9)))) == names(EXPECTED[-4:] + EXPECTED[:5])
    for bucket, objects in ((plain, ["2.tar", "0.tar"]), (stored, ["2.tar", "2.tar.idx", "0.tar"])):
        by_name = AISShardMapDataset(bucket.objects(obj_names=objects))
        expected = read_slowly([SHARDS["2.tar"], SHARDS["0.tar"]], SEEN)
        assert grouped(by_name.__getitems__(list(range(8)))) == [(name, dict(files)) for name, files in expected]


def test_batches_by_bytes(dataset: AISShardMapDataset) -> None:
    batches = list(DynamicBatchSampler(dataset, 300, allow_oversized_samples=True))
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(COUNT))
    sizes = dataset.sizes
    assert all(len(batch) == 1 or sizes[batch].sum() <= 300 for batch in batches)
    assert max(map(len, batches)) > 1
    with pytest.warns(OversizedSampleWarning, match="1 of 12 samples are larger .*: number 7"):
        small = [index for batch in DynamicBatchSampler(dataset, 5000) for index in batch]
    assert small == [*range(7), *range(8, COUNT)]
    found = load(dataset, batch_sampler=DynamicBatchSampler(dataset, 300, allow_oversized_samples=True))
    assert grouped(found) == [EXPECTED[index] for index in order]


# shards that cannot be read by index, or whose index cannot be used


@pytest.mark.parametrize("kind", ["gzip", "zip", "damaged", "cut"])
def test_shards_that_cannot_be_read_by_index(bucket: Bucket, kind: str) -> None:
    data = pack(SHARDS["0.tar"])
    data, error, text = {
        "gzip": (gzip.compress(data), ShardError, "compressed.*AISShardReader"),
        "zip": (archives.pack(".zip", SHARDS["0.tar"]), ShardError, "zip"),
        "damaged": (data[:1024] + b"?" + data[1025:], ShardError, "damaged"),
        "cut": (data[:1200], TruncatedShardError, "too early"),
    }[kind]
    put_all(bucket, {"s.tar": data})
    with pytest.raises(error, match=rf"ais://{bucket.name}/s\.tar.*{text}"):
        AISShardMapDataset(bucket)


def test_an_index_that_cannot_be_used_is_warned_of(bucket: Bucket) -> None:
    other = index_of("0.tar", pack(SHARDS["3.tar"])).to_bytes()
    objects = {"0.tar": pack(SHARDS["0.tar"]), "0.tar.idx": other, "3.tar": pack(SHARDS["3.tar"]), "3.tar.idx": b"no"}
    put_all(bucket, objects)
    with pytest.warns(StaleShardIndexWarning) as warned:
        dataset = AISShardMapDataset(bucket)
    assert sorted(str(warning.message)[-200:].count(".tar") for warning in warned)
    assert len(warned) == 2
    assert grouped(dataset.__getitems__(list(range(9)))) == [
        (name, {"jpg": files["jpg"], "cls": files["cls"]}) for name, files in EXPECTED[:5] + EXPECTED[-4:]
    ]


def test_scattered_samples_are_read_whole(bucket: Bucket) -> None:
    scattered: Files = [("x.png", b"1"), ("y.png", b"2"), ("x.cls", b"3"), ("y.cls", b"4")]
    put_all(bucket, indexed("s.tar", scattered))
    assert grouped(AISShardMapDataset(bucket).__getitems__([1, 0])) == read_slowly([scattered])[::-1]


def test_nothing_to_read(bucket: Bucket) -> None:
    with pytest.warns(EmptyListingWarning):
        assert len(AISShardMapDataset(bucket)) == 0
    put_all(bucket, {"0.tar": pack([])})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = AISShardMapDataset(bucket)
    assert len(dataset) == 0
    assert dataset.sizes.tolist() == []
    with pytest.raises(IndexError):
        dataset[0]
    bucket.delete()
    with pytest.raises((BucketNotFoundError, AccessDeniedError)):
        AISShardMapDataset(bucket)


def test_a_subclass_that_makes_samples_of_its_own(stored: Bucket) -> None:
    class Labels(AISShardMapDataset):
        def __getitem__(self, index: int) -> Any:
            name, files = super().__getitem__(index)
            return name, len(files["jpg"])

    expected = [(name, len(files["jpg"])) for name, files in EXPECTED]
    assert load(Labels(stored), batch_size=4) == expected
