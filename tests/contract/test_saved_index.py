"""Datasets that start with an index instead of a listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aistore.sdk import AISSource, Bucket
from torch.utils.data import DataLoader

from aistorch import AISDataLoader, AISIterDataset, AISMapDataset, ObjectIndex
from aistorch.errors import ArgumentTypeError, InvalidArgumentError, ObjectNotFoundError
from tests.support.loading import load
from tests.support.objects import ODD_NAMES, content, in_order, listings, new_bucket, put_all

if TYPE_CHECKING:
    from tests.contract.conftest import Server

CONTENTS = {f"{folder}/{n:02}": content(f"{folder}{n}", n * 50) for folder in ("a", "b") for n in range(15)}
CONTENTS |= {f"odd/{name}": name.encode() for name in ODD_NAMES}
PREFIXES = ["b/", "a/", "odd/"]
EXPECTED = [sample for prefix in PREFIXES for sample in in_order(CONTENTS, prefix)]


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


@pytest.fixture
def saved(filled: Bucket, tmp_path: Path) -> Path:
    AISMapDataset(filled, {filled: PREFIXES}).index.save(tmp_path / "i")
    return tmp_path / "i"


def test_both_kinds_of_datasets_list_nothing(ais: Server, filled: Bucket, saved: Path) -> None:
    urls = [f"ais://{filled.name}/{prefix}" for prefix in PREFIXES]
    with listings() as seen:
        index = ObjectIndex.load(saved)
        by_index = AISMapDataset(filled, {filled: PREFIXES}, index=index)
        assert [by_index[n] for n in range(len(by_index))] == EXPECTED
        assert [obj.name for obj in by_index.get_obj_list()] == [name for name, _ in EXPECTED]
        streamed = AISIterDataset(client_url=ais.endpoint, urls_list=urls, index=index)
        assert len(streamed) == len(EXPECTED)
        assert list(streamed) == EXPECTED
        assert [obj.name for obj in streamed._create_objects_iter()] == [name for name, _ in EXPECTED]
    assert seen == []


def test_what_an_iterable_dataset_has_listed_can_be_saved_however_it_listed(filled: Bucket, tmp_path: Path) -> None:
    streamed, counted = (AISIterDataset(filled, {filled: "a/"}) for _ in range(2))
    list(iter(streamed))
    len(counted)
    for number, dataset in enumerate((streamed, counted)):
        dataset.index.save(tmp_path / str(number))
        index = ObjectIndex.load(tmp_path / str(number))
        assert index == AISMapDataset(filled, {filled: "a/"}).index
        assert index.source_urls == (f"ais://{filled.name}/a/",)


def test_workers_have_it_too(filled: Bucket, saved: Path) -> None:
    dataset = AISMapDataset(filled, {filled: PREFIXES}, index=ObjectIndex.load(saved))
    assert load(dataset, 2, "fork") == EXPECTED
    streamed = AISIterDataset(filled, {filled: PREFIXES}, index=ObjectIndex.load(saved))
    assert sorted(load(streamed, 2, "fork")) == sorted(EXPECTED)


def test_whole_sources_dealt_to_workers(filled: Bucket, saved: Path) -> None:
    dataset = AISIterDataset(
        client_url=filled.client.base_url.removesuffix("/v1"),
        urls_list=[f"ais://{filled.name}/{prefix}" for prefix in PREFIXES],
        partition_sources_by_worker=True,
        index=ObjectIndex.load(saved)[:-3],
    )
    assert sorted(load(dataset, 2, "fork")) == sorted(EXPECTED[:-3])
    samples = iter(DataLoader(dataset, batch_size=None, num_workers=2))
    assert [next(samples)[0] for _ in range(4)] == ["b/00", "a/00", "b/01", "a/01"]


def test_order_and_state_are_those_of_a_listed_dataset(filled: Bucket, saved: Path) -> None:
    given: dict[str, Any] = {"shuffle": True, "seed": 3, "rank": 1, "world_size": 2}
    listed = AISDataLoader(AISIterDataset(filled, {filled: PREFIXES}, **given), batch_size=4)
    loaded = AISIterDataset(filled, {filled: PREFIXES}, **given, index=ObjectIndex.load(saved))
    batches = iter(listed)
    begun = [next(batches) for _ in range(3)]
    resumed = AISDataLoader(loaded, batch_size=4, num_workers=2)
    resumed.load_state_dict(listed.state_dict())
    listed.set_epoch(0)
    assert [batch[0] for batch in [*begun, *resumed]] == [batch[0] for batch in listed]


def test_a_part_of_an_index_is_a_part_of_the_dataset(filled: Bucket, saved: Path) -> None:
    index = ObjectIndex.load(saved)
    large = index.take(np.flatnonzero(index.sizes > 300))
    expected = [sample for sample in EXPECTED if len(sample[1]) > 300]
    assert 0 < len(expected) < len(EXPECTED)
    by_index = AISMapDataset(filled, {filled: PREFIXES}, index=large)
    assert by_index.__getitems__(list(range(len(by_index)))) == expected
    assert list(AISIterDataset(filled, {filled: PREFIXES}, index=large)) == expected


def test_the_same_bucket_of_another_cluster(filled: Bucket, saved: Path, second_server: Server) -> None:
    there = second_server.client().bucket(filled.name).create()
    try:
        put_all(there, CONTENTS)
        assert list(AISIterDataset(there, {there: PREFIXES}, index=ObjectIndex.load(saved))) == EXPECTED
    finally:
        there.delete()


def test_what_has_changed_since(bucket: Bucket, tmp_path: Path) -> None:
    put_all(bucket, {"changed": b"1", "gone": b"2", "same": b"3"})
    AISMapDataset(bucket).index.save(tmp_path / "i")
    put_all(bucket, {"changed": b"another", "new": b"4"})
    bucket.object("gone").delete()
    dataset = AISMapDataset(bucket, index=ObjectIndex.load(tmp_path / "i"))
    assert len(dataset) == 3
    assert dataset.__getitems__([0, 2]) == [("changed", b"another"), ("same", b"3")]
    with pytest.raises(ObjectNotFoundError, match="gone"):
        dataset[1]


# what is refused


@pytest.mark.parametrize("kind", [AISMapDataset, AISIterDataset])
def test_an_index_of_other_sources(filled: Bucket, bucket: Bucket, saved: Path, kind: Any) -> None:
    index = ObjectIndex.load(saved)
    for source, prefixes in ((filled, PREFIXES[::-1]), (filled, None), (bucket, PREFIXES)):
        with pytest.raises(
            InvalidArgumentError, match=rf"index is of ais://{filled.name}/b/, .*same sources"
        ) as raised:
            kind(source, {source: prefixes}, index=index)
        assert f"of ais://{source.name}/" in str(raised.value)
    with pytest.raises(InvalidArgumentError, match="of unknown sources"):
        kind(filled, index=ObjectIndex.from_names(["a/00"]))
    with pytest.raises(ArgumentTypeError, match=r"index must be an ObjectIndex such as ObjectIndex\.load"):
        kind(filled, index=str(saved))
    group = filled.objects(obj_names=["a/00"])
    with pytest.raises(InvalidArgumentError, match=r"group of objects in .* is none"):
        kind(group, index=kind(group).index)


class Own(AISSource):
    """Lists and reads objects of a bucket by nothing but its own means."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Any:
        return self.bucket.list_all_objects_iter(prefix=prefix, props=props)

    def list_urls(self, *_: Any, **__: Any) -> Any:
        return iter(())

    @property
    def client(self) -> Any:
        return self.bucket.client


def test_sources_without_a_url_cannot_be_saved(filled: Bucket, tmp_path: Path) -> None:
    for source in (Own(filled), filled.objects(obj_names=["a/00"])):
        for kind in (AISMapDataset, AISIterDataset):
            with pytest.raises(InvalidArgumentError, match="cannot be saved"):
                kind(source).index.save(tmp_path / "i")
        with pytest.raises(InvalidArgumentError, match="cannot be saved"):
            AISMapDataset([filled, source]).index.save(tmp_path / "i")
    assert list(tmp_path.iterdir()) == []


def test_subclasses_that_choose_objects_themselves(filled: Bucket) -> None:
    class First(AISIterDataset):
        def _create_objects_iter(self, sources: Any = None) -> Any:
            return iter([filled.object("a/00")])

    class Second(AISMapDataset):
        def _create_objects_list(self) -> Any:
            return [filled.object("a/00")]

    index = AISMapDataset(filled).index
    for kind in (First, Second):
        with pytest.raises(InvalidArgumentError, match=f"{kind.__name__} chooses its objects itself: leave index out"):
            kind(filled, index=index)
