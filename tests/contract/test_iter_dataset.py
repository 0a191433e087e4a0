"""Iterable datasets: the same samples as the SDK's plugin, from the first page on, as often and as far as one likes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import AISSource, Bucket, Client
from aistore.sdk.multiobj import ObjectRange
from aistore.sdk.obj.object import Object
from torch.utils.data import ChainDataset, DataLoader

from aistorch import AISBaseIterDataset, AISIterDataset
from aistorch.config import ReadConfig
from aistorch.index import bucket_listing, list_request
from tests.support.objects import ODD_NAMES, content, in_order, listings, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

Sample = tuple[str, bytes]

SIZES = [0, 1, 2, 100, 4095, 4096, 65_535, 65_536, 300_000]
CONTENTS = {
    **{f"train/{number:03}.bin": content(f"train{number}", SIZES[number % len(SIZES)]) for number in range(36)},
    **{f"val/{number}.bin": content(f"val{number}", number) for number in range(5)},
    **{f"odd/{name}": content(name, len(name)) for name in ODD_NAMES},
    "large": content("large", 3 << 20),
}
OTHER_CONTENTS = {f"o{number}": content(f"other{number}", 50) for number in range(7)}


@dataclass(frozen=True)
class Stored:
    """Two buckets of one server, one of another."""

    client: Client
    endpoint: str
    bucket: Bucket
    other: Bucket
    foreign: Bucket


@pytest.fixture(scope="module")
def stored(ais: Server, second_server: Server) -> Iterator[Stored]:
    client = ais.client()
    with (
        new_bucket(client, CONTENTS) as bucket,
        new_bucket(client, OTHER_CONTENTS) as other,
        new_bucket(second_server.client(), OTHER_CONTENTS) as foreign,
    ):
        yield Stored(client, ais.endpoint, bucket, other, foreign)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings in pages of ten."""
    monkeypatch.setattr(list_request, "PAGE_SIZE", 10)
    monkeypatch.setattr(bucket_listing, "EARLY", 10)


def group(stored: Stored, *names: str) -> AISSource:
    return stored.bucket.objects(obj_names=list(names))


Arguments = tuple[Any, dict[AISSource, Any]]
SOURCES: dict[str, Callable[[Stored], Arguments]] = {
    "one": lambda s: (s.bucket, {}),
    "several": lambda s: ([s.other, s.bucket], {}),
    "twice": lambda s: ([s.other, s.bucket, s.other], {}),
    "two servers": lambda s: ([s.other, s.foreign, s.bucket, s.foreign], {}),
    "prefixes": lambda s: ([s.bucket, s.other], {s.bucket: ["val/", "train/"]}),
    "overlapping prefixes": lambda s: (s.bucket, {s.bucket: ["train/", "train/00", "train/"]}),
    "no prefixes": lambda s: ([s.bucket, s.other], {s.bucket: []}),
    "prefix None": lambda s: ([s.other, s.bucket], {s.other: None, s.bucket: "val/"}),
    "names": lambda s: (group(s, "val/3.bin", "large", "odd/a b", "val/3.bin"), {}),
    "range": lambda s: (s.bucket.objects(obj_range=ObjectRange("train/", 3, 9, 3, 2, ".bin")), {}),
    "template": lambda s: (s.bucket.objects(obj_template="val/{0..4}.bin"), {}),
    "group and bucket": lambda s: ([group(s, "large"), s.other, group(s, "val/0.bin", "val/4.bin")], {}),
}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("kind", SOURCES)
def test_samples_are_those_of_the_sdks_plugin(stored: Stored, kind: str) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    sources, prefix_map = SOURCES[kind](stored)
    expected = list(plugin.AISIterDataset(sources, prefix_map))
    dataset = AISIterDataset(sources, prefix_map)
    samples = list(dataset)
    assert samples == expected
    assert all(type(name) is str and type(body) is bytes for name, body in samples)
    assert len(dataset) == len(expected)
    assert len(AISIterDataset(sources, prefix_map)) == len(plugin.AISIterDataset(sources, prefix_map))


def test_urls(stored: Stored) -> None:
    name, other = stored.bucket.name, stored.other.name
    dataset = AISIterDataset(
        stored.other, client_url=stored.endpoint, urls_list=[f"ais://{name}/val/", f"ais://{other}/o3"]
    )
    assert list(dataset) == [*in_order(CONTENTS, "val/"), *in_order(OTHER_CONTENTS, "o3"), *in_order(OTHER_CONTENTS)]


@pytest.mark.parametrize("mode", ["get", "batch", "auto"])
@pytest.mark.parametrize("kind", ["one", "twice", "two servers", "names", "overlapping prefixes"])
def test_ways_of_reading_change_no_sample(stored: Stored, kind: str, mode: Any) -> None:
    sources, prefix_map = SOURCES[kind](stored)
    expected = list(AISIterDataset(sources, prefix_map, config=ReadConfig(direct=False)))
    assert list(AISIterDataset(sources, prefix_map, config=ReadConfig(mode=mode))) == expected


@pytest.mark.parametrize(
    "config", [ReadConfig(in_flight=1), ReadConfig(budget=1), ReadConfig(verify=False), ReadConfig(split_from=1 << 20)]
)
def test_configurations_change_no_sample(stored: Stored, config: ReadConfig) -> None:
    assert list(AISIterDataset(stored.bucket, config=config)) == in_order(CONTENTS)


def test_without_an_order_all_samples_come_once(stored: Stored) -> None:
    sources, prefix_map = SOURCES["two servers"](stored)
    expected = list(AISIterDataset(sources, prefix_map))
    assert sorted(AISIterDataset(sources, prefix_map, config=ReadConfig(in_order=False))) == sorted(expected)


# what is listed, and when


@pytest.mark.usefixtures("small_pages")
def test_the_first_sample_is_there_before_the_listing_is(ais: Server) -> None:
    contents = {f"o{number:03}": content(f"first{number}", 10) for number in range(95)}
    with new_bucket(ais.client(), contents) as bucket, listings() as seen:
        samples = iter(AISIterDataset(bucket, config=ReadConfig(in_flight=1)))
        assert next(samples) == ("o000", contents["o000"])
        asked_for = len(seen)
        assert [*samples] == in_order(contents)[1:]
        assert asked_for < len(seen)


@pytest.mark.usefixtures("small_pages")
def test_objects_are_listed_once(stored: Stored) -> None:
    with listings() as once:
        assert len(list(AISIterDataset(stored.bucket))) == len(CONTENTS)
    for steps in (["len", "iter", "len", "iter"], ["iter", "len", "iter"]):
        dataset = AISIterDataset(stored.bucket)
        with listings() as seen:
            for step in steps:
                if step == "len":
                    assert len(dataset) == len(CONTENTS)
                else:
                    assert list(dataset) == in_order(CONTENTS)
        assert len(seen) == len(once)


def test_making_a_dataset_makes_no_request(stored: Stored) -> None:
    with listings() as seen:
        AISIterDataset([stored.bucket, stored.other], {stored.bucket: "val/"})
    assert seen == []


def test_a_new_dataset_sees_what_has_changed(bucket: Bucket) -> None:
    bucket.object("a").get_writer().put_content(b"1")
    dataset = AISIterDataset(bucket)
    assert list(dataset) == [("a", b"1")]
    bucket.object("b").get_writer().put_content(b"2")
    assert list(dataset) == [("a", b"1")]
    assert list(AISIterDataset(bucket)) == [("a", b"1"), ("b", b"2")]


# iterating


def test_iterating_again_begins_anew(stored: Stored) -> None:
    dataset = AISIterDataset(stored.bucket)
    for _ in range(3):
        assert list(dataset) == in_order(CONTENTS)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("listed", [False, True])
def test_leaving_a_loop_early(stored: Stored, listed: bool) -> None:
    dataset, expected = AISIterDataset(stored.bucket), in_order(CONTENTS)
    if listed:
        assert len(dataset) == len(expected)
    for count in (1, 5, 0, 30):
        assert list(islice(dataset, count)) == expected[:count]
        gc.collect()
    assert list(dataset) == expected


@pytest.mark.usefixtures("small_pages")
def test_several_iterators_at_once(stored: Stored) -> None:
    dataset, expected = AISIterDataset(stored.bucket), in_order(CONTENTS)
    first, second = iter(dataset), iter(dataset)
    assert [next(first), next(first), next(second)] == [expected[0], expected[1], expected[0]]
    third = iter(dataset)
    assert list(zip(first, second, strict=False)) == list(zip(expected[2:], expected[1:-1], strict=True))
    assert list(third) == expected


def test_two_datasets_zipped(stored: Stored) -> None:
    first, second = AISIterDataset(stored.other), AISIterDataset([stored.foreign, stored.other])
    expected = in_order(OTHER_CONTENTS)
    assert list(zip(first, second, strict=False)) == list(zip(expected, expected, strict=True))
    assert list(zip(first, first, strict=True)) == list(zip(expected, expected, strict=True))
    assert list(ChainDataset([first, second])) == expected * 3


def test_threads_that_share_a_dataset(stored: Stored) -> None:
    dataset = AISIterDataset(stored.bucket)
    with ThreadPoolExecutor(4) as pool:
        for samples in pool.map(lambda _: list(dataset), range(8)):
            assert samples == in_order(CONTENTS)


def test_default_collation_leaves_bytes_alone(stored: Stored) -> None:
    loader = DataLoader(AISIterDataset(stored.other), batch_size=4)
    assert len(loader) == 2
    assert [list(zip(*batch, strict=True)) for batch in loader] == [
        in_order(OTHER_CONTENTS)[:4],
        in_order(OTHER_CONTENTS)[4:],
    ]


def test_progress_is_shown_where_asked(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in AISIterDataset(stored.other):
        pass
    assert capsys.readouterr().err == ""
    dataset = AISIterDataset(stored.other, show_progress=True)
    for _ in dataset:
        pass
    shown = capsys.readouterr().err
    assert "AISIterDataset" in shown
    assert "7 objects" in shown
    for _ in dataset:
        pass
    assert "7/7" in capsys.readouterr().err


# subclasses, as users of the plugin write them


class Read(AISBaseIterDataset):
    """The hooks as the plugin's own datasets use them."""

    def __iter__(self) -> Iterator[Any]:
        self._reset_iterator()
        objects, name = self._get_worker_iter_info()
        for obj in objects:
            yield obj.name, obj.get_reader().read_all(), name


class Counted(Read):
    """Has its own length."""

    def __len__(self) -> int:
        return 3


class Selected(Read):
    """Chooses objects, by replacing a hook."""

    def _create_objects_iter(self, sources: list[AISSource] | None = None) -> Iterator[Object]:
        for obj in super()._create_objects_iter(sources):
            if obj.name.endswith(("1", "3")):
                yield obj


class FromOneSource(Read):
    """Goes through its sources itself."""

    def __iter__(self) -> Iterator[Any]:
        for source in self._ais_source_list:
            prefixes = self._prefix_map.get(source) or [""]
            for prefix in prefixes:
                for obj in self._get_sample_iter_from_source(source, prefix):
                    yield obj.name


@pytest.mark.usefixtures("small_pages")
def test_a_subclass_that_reads_objects(stored: Stored) -> None:
    dataset = Read([stored.other, stored.bucket], {stored.bucket: ["val/", "train/00"]})
    expected = [*in_order(OTHER_CONTENTS), *in_order(CONTENTS, "val/"), *in_order(CONTENTS, "train/00")]
    for _ in range(2):
        assert list(dataset) == [(name, body, "") for name, body in expected]
    assert len(dataset) == len(expected)
    assert list(dataset) == [(name, body, "") for name, body in expected]


def test_subclasses_that_replace_hooks(stored: Stored) -> None:
    selected = Selected(stored.other)
    for _ in range(2):
        assert [name for name, _, _ in selected] == ["o1", "o3"]
        assert len(selected) == 2
    assert len(Counted(stored.other)) == 3
    assert len(list(Counted(stored.other))) == 7
    dataset = FromOneSource([stored.other, stored.bucket], {stored.bucket: "val/"})
    assert list(dataset) == [*OTHER_CONTENTS, *(name for name, _ in in_order(CONTENTS, "val/"))]


class OnlyObjects(AISIterDataset):
    """Chooses objects of a concrete dataset."""

    def _create_objects_iter(self, sources: list[AISSource] | None = None) -> Iterator[Object]:
        for obj in super()._create_objects_iter(sources):
            if obj.name.endswith(("1", "3")):
                yield obj


class Upper(AISIterDataset):
    """Makes something of each sample."""

    def __iter__(self) -> Iterator[Any]:
        for name, body in super().__iter__():
            yield name.upper(), body


def test_subclasses_of_the_iterable_dataset(stored: Stored) -> None:
    assert list(Upper(stored.other)) == [(name.upper(), body) for name, body in in_order(OTHER_CONTENTS)]
    dataset = OnlyObjects([stored.other, stored.bucket], {stored.bucket: "val/1"})
    expected = [(name, OTHER_CONTENTS[name]) for name in ("o1", "o3")]
    for _ in range(2):
        assert list(dataset) == expected
        assert len(dataset) == 2


def test_the_base_class_alone_makes_no_samples(stored: Stored) -> None:
    with pytest.raises(TypeError, match="abstract"):
        AISBaseIterDataset(stored.bucket)  # type: ignore[abstract]
