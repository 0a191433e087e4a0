"""Map-style datasets: names, bytes and order, of every kind of source, the same as the SDK's plugin gives them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from aistore.sdk import AISSource, Bucket, Client
from aistore.sdk.multiobj import ObjectRange
from aistore.sdk.obj.object import Object
from torch.utils.data import DataLoader, Dataset, Subset, random_split

from aistorch import AISBaseMapDataset, AISDataset, AISMapDataset
from aistorch.config import ReadConfig
from aistorch.errors import SampleIndexError
from tests.support.loading import load
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


def all_of(dataset: Dataset[Any]) -> list[Any]:
    return [dataset[position] for position in range(len(cast(Sized, dataset)))]


def group(stored: Stored, *names: str) -> AISSource:
    return stored.bucket.objects(obj_names=list(names))


Arguments = tuple[Any, dict[AISSource, Any]]
SOURCES: dict[str, Callable[[Stored], Arguments]] = {
    "one": lambda s: (s.bucket, {}),
    "several": lambda s: ([s.other, s.bucket], {}),
    "twice": lambda s: ([s.other, s.bucket, s.other], {}),
    "two servers": lambda s: ([s.other, s.foreign, s.bucket, s.foreign], {}),
    "prefix": lambda s: (s.bucket, {s.bucket: "val/"}),
    "prefixes": lambda s: ([s.bucket, s.other], {s.bucket: ["val/", "train/"]}),
    "overlapping prefixes": lambda s: (s.bucket, {s.bucket: ["train/", "train/00", "train/"]}),
    "prefix without": lambda s: ([s.bucket, s.other], {s.bucket: ["nothing/"]}),
    "no prefixes": lambda s: ([s.bucket, s.other], {s.bucket: []}),
    "prefix None": lambda s: ([s.other, s.bucket], {s.other: None, s.bucket: "val/"}),
    "twice with a prefix": lambda s: ([s.bucket, s.other, s.bucket], {s.bucket: "val/"}),
    "names": lambda s: (group(s, "val/3.bin", "large", "odd/a b", "val/3.bin"), {}),
    "range": lambda s: (s.bucket.objects(obj_range=ObjectRange("train/", 3, 9, 3, 2, ".bin")), {}),
    "template": lambda s: (s.bucket.objects(obj_template="val/{0..4}.bin"), {}),
    "group and bucket": lambda s: ([group(s, "large"), s.other, group(s, "val/0.bin", "val/4.bin")], {}),
}


@pytest.mark.filterwarnings("ignore::aistorch.errors.EmptyListingWarning")
@pytest.mark.parametrize("kind", SOURCES)
def test_samples_are_those_of_the_sdks_plugin(stored: Stored, kind: str) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    sources, prefix_map = SOURCES[kind](stored)
    theirs = plugin.AISMapDataset(sources, prefix_map)
    ours = AISMapDataset(sources, prefix_map)
    assert len(ours) == len(theirs)
    expected = [theirs[position] for position in range(len(theirs))]
    assert [ours[position] for position in range(len(ours))] == expected
    assert ours.__getitems__(list(range(len(ours)))) == expected
    assert [obj.name for obj in ours.get_obj_list()] == [obj.name for obj in theirs.get_obj_list()]


def test_all_of_a_bucket(stored: Stored) -> None:
    dataset = AISMapDataset(stored.bucket)
    assert len(dataset) == len(CONTENTS)
    samples = all_of(dataset)
    assert samples == in_order(CONTENTS)
    assert {(type(name), type(body)) for name, body in samples} == {(str, bytes)}


def test_urls(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    name, other = stored.bucket.name, stored.other.name
    urls = [f"ais://{other}", f"ais://{name}/val/", f"ais://{other}/", f"ais://{name}/odd/100%2"]
    expected = [
        *in_order(OTHER_CONTENTS),
        *in_order(CONTENTS, "val/"),
        *in_order(OTHER_CONTENTS),
        ("odd/100%25", CONTENTS["odd/100%25"]),
    ]
    dataset = AISMapDataset(client_url=stored.endpoint, urls_list=urls)
    assert dataset.__getitems__(list(range(len(dataset)))) == expected
    monkeypatch.setenv("AIS_ENDPOINT", stored.endpoint)
    dataset = AISMapDataset(stored.bucket, {stored.bucket: "val/"}, urls_list=f"ais://{other}")
    expected = [*in_order(OTHER_CONTENTS), *in_order(CONTENTS, "val/")]
    assert all_of(dataset) == expected


def test_the_first_releases_dataset(stored: Stored) -> None:
    name = stored.other.name
    dataset = AISDataset(stored.endpoint, f"ais://{name}", [stored.bucket])
    assert dataset.__getitems__(list(range(len(dataset)))) == [*in_order(OTHER_CONTENTS), *in_order(CONTENTS)]
    assert len(AISDataset(stored.endpoint, urls_list=[f"ais://{name}/o1"])) == 1
    assert len(AISDataset(ais_source_list=stored.other)) == len(OTHER_CONTENTS)


@pytest.mark.parametrize("name", sorted(name for name in CONTENTS if name.startswith("odd/")))
def test_odd_names(stored: Stored, name: str) -> None:
    dataset = AISMapDataset(group(stored, name))
    assert all_of(dataset) == [(name, CONTENTS[name])]


def test_a_name_with_two_slashes_is_kept(bucket: Bucket) -> None:
    # A real cluster stores it, and never lists it.
    bucket.object("a//b").get_writer().put_content(b"twice")
    bucket.object("a/c").get_writer().put_content(b"once")
    assert AISMapDataset(bucket.objects(obj_names=["a//b"]))[0] == ("a//b", b"twice")
    dataset = AISMapDataset(bucket)
    assert [name for name, _ in all_of(dataset)] == [entry.name for entry in bucket.list_all_objects()]
    assert {body for _, body in all_of(dataset)} <= {b"twice", b"once"}


def test_any_integer_is_an_index_and_counts_from_the_end_if_negative(stored: Stored) -> None:
    dataset, samples = AISMapDataset(stored.other), in_order(OTHER_CONTENTS)
    indices: list[Any] = [np.int64(3), np.uint8(3), np.int32(-4), torch.tensor(3)]
    for index in indices:
        assert dataset[index] == samples[3]
    assert [dataset[index] for index in range(-7, 7)] == samples * 2
    assert dataset.__getitems__([6, -7, np.int64(6), 0]) == [samples[6], samples[0], samples[6], samples[0]]
    assert dataset.__getitems__([]) == []
    for wrong in ("0", 1.0, None, slice(0, 2)):
        with pytest.raises(TypeError):
            dataset[wrong]  # type: ignore[index]


@pytest.mark.parametrize("index", [7, -8, 10**6, -(10**6), 2**40])
def test_an_index_outside_is_an_index_error(stored: Stored, index: int) -> None:
    dataset = AISMapDataset(stored.other)
    message = f"AISMapDataset: index {index} is outside a dataset of 7 objects"
    with pytest.raises(SampleIndexError, match=message):
        dataset[index]
    with pytest.raises(IndexError, match=message):
        dataset.__getitems__([0, index])


def test_a_for_loop_over_the_dataset_ends(stored: Stored) -> None:
    dataset: Any = AISMapDataset(stored.other)
    assert list(dataset) == in_order(OTHER_CONTENTS)


def test_an_index_is_listed_once_and_reading_lists_nothing(stored: Stored) -> None:
    with listings() as seen:
        dataset = AISMapDataset(stored.other)
        made = len(seen)
        assert len(dataset) == 7
        assert all_of(dataset) == in_order(OTHER_CONTENTS)
        assert len(dataset.get_obj_list()) == 7
    assert made == len(seen) >= 1


def test_shuffled_and_split_by_torch(stored: Stored) -> None:
    dataset = AISMapDataset(stored.bucket)
    samples = load(dataset, batch_size=7, shuffle=True)
    assert sorted(samples) == sorted(in_order(CONTENTS))
    train, val = random_split(dataset, [0.5, 0.5], torch.Generator().manual_seed(0))
    assert sorted([*all_of(train), *all_of(val)]) == sorted(samples)
    assert all_of(Subset(dataset, [3, 1])) == [dataset[3], dataset[1]]


def test_default_collation_leaves_bytes_alone(stored: Stored) -> None:
    ((names, bodies),) = DataLoader(AISMapDataset(stored.other), batch_size=7)
    assert list(zip(names, bodies, strict=True)) == in_order(OTHER_CONTENTS)


@pytest.mark.parametrize(
    "config",
    [
        ReadConfig(in_flight=1),
        ReadConfig(budget=1),
        ReadConfig(direct=False),
        ReadConfig(verify=False),
        ReadConfig(split_from=1 << 20),
    ],
)
def test_configurations_change_no_sample(stored: Stored, config: ReadConfig) -> None:
    dataset = AISMapDataset(stored.bucket, config=config)
    assert dataset.__getitems__(list(range(len(dataset)))) == in_order(CONTENTS)


def test_several_threads_read_at_once(stored: Stored) -> None:
    dataset, samples = AISMapDataset(stored.bucket), in_order(CONTENTS)
    count = len(samples)

    def read(start: int) -> list[Sample]:
        return [dataset[(start + step) % count] for step in range(count)]

    with ThreadPoolExecutor(4) as pool:
        for start, found in enumerate(pool.map(read, range(4))):
            assert found == samples[start:] + samples[:start]


# objects, as subclasses see them


def size_of(obj: Object) -> int:
    assert obj.props_cached is not None
    return int(obj.props_cached.size)


def test_objects_are_read_by_the_sdk_and_know_their_size(stored: Stored) -> None:
    objects = AISMapDataset([stored.other, stored.bucket]).get_obj_list()
    assert len(objects) == len(OTHER_CONTENTS) + len(CONTENTS)
    assert objects[0] is not objects[0]
    assert isinstance(objects[-1], Object)
    expected = [*in_order(OTHER_CONTENTS), *in_order(CONTENTS)]
    assert [(obj.name, size_of(obj)) for obj in objects] == [(name, len(body)) for name, body in expected]
    for position in (0, 3, -1, 10):
        assert (objects[position].name, objects[position].get_reader().read_all()) == expected[position]


class Labelled(AISBaseMapDataset):
    """As users of the plugin write one."""

    def __init__(self, ais_source_list: Any, prefix_map: Any = {}, scale: int = 1) -> None:  # noqa: B006
        super().__init__(ais_source_list, prefix_map)
        self.scale = scale

    def __len__(self) -> int:
        return len(self._obj_list)

    def __getitem__(self, index: int) -> Any:
        obj = self._obj_list[index]
        return int(obj.name.removeprefix("val/").removesuffix(".bin")) * self.scale, obj.get_reader().read_all()


def test_a_subclass_as_users_of_the_plugin_write_it(stored: Stored) -> None:
    dataset = Labelled(stored.bucket, {stored.bucket: "val/"}, scale=10)
    expected = [(number * 10, CONTENTS[f"val/{number}.bin"]) for number in range(5)]
    assert all_of(dataset) == expected
    assert load(dataset, batch_size=2) == expected


class Shortened(AISMapDataset):
    """Makes something of each sample; a loader asks for whole batches, and must not get them past it."""

    def __getitem__(self, index: int) -> Any:
        name, body = super().__getitem__(index)
        return name.upper(), body[:3]


def test_what_a_subclass_makes_of_a_sample_is_what_a_loader_gives(stored: Stored) -> None:
    dataset = Shortened(stored.other)
    expected = [(name.upper(), body[:3]) for name, body in in_order(OTHER_CONTENTS)]
    assert [dataset[position] for position in range(7)] == expected
    assert load(dataset, batch_size=3) == expected
    with pytest.raises(SampleIndexError):
        dataset.__getitems__([0, 7])


class Chosen(AISMapDataset):
    """Chooses some of the objects that were listed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._obj_list = [obj for obj in self._obj_list if obj.name.endswith(("1", "3", "5"))]


class LabelledChosen(Labelled):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._obj_list = self._obj_list[1:3]


def test_subclasses_that_choose_objects(stored: Stored) -> None:
    chosen = Chosen(stored.other)
    expected = [(name, OTHER_CONTENTS[name]) for name in ("o1", "o3", "o5")]
    for dataset in (chosen, pickle.loads(pickle.dumps(chosen))):
        assert len(dataset) == 3
        assert all_of(dataset) == expected
        assert dataset[-1] == expected[2]
        assert dataset.__getitems__([2, 0]) == [expected[2], expected[0]]
        assert [obj.name for obj in dataset.get_obj_list()] == ["o1", "o3", "o5"]
        with pytest.raises(SampleIndexError, match="index 3 is outside a dataset of 3 objects"):
            dataset[3]
    labelled = LabelledChosen(stored.bucket, {stored.bucket: "val/"})
    assert all_of(labelled) == [(number, CONTENTS[f"val/{number}.bin"]) for number in (1, 2)]


class Longer(AISMapDataset):
    """Tells another length than there are objects, as for several passes in one."""

    def __len__(self) -> int:
        return 3 * super().__len__()

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index % super().__len__())


def test_a_subclass_that_tells_another_length(stored: Stored) -> None:
    assert load(Longer(stored.other), batch_size=4) == in_order(OTHER_CONTENTS) * 3


class Measured(AISBaseMapDataset):
    """Uses nothing but `get_obj_list` and the length of its base class."""

    def __getitem__(self, index: int) -> int:
        return size_of(self.get_obj_list()[index])


def test_a_subclass_has_a_length_without_writing_one(stored: Stored) -> None:
    dataset = Measured(stored.bucket)
    assert len(dataset) == len(CONTENTS)
    assert all_of(dataset) == [len(body) for _, body in in_order(CONTENTS)]
    loader = DataLoader(dataset, batch_size=10)
    assert len(loader) == math.ceil(len(CONTENTS) / 10)
    assert torch.cat(list(loader)).tolist() == [len(body) for _, body in in_order(CONTENTS)]


def test_the_base_class_alone_makes_no_samples(stored: Stored) -> None:
    with pytest.raises(TypeError, match="abstract"):
        AISBaseMapDataset(stored.bucket)  # type: ignore[abstract]


def test_what_was_listed_is_told_in_columns(stored: Stored) -> None:
    index = AISMapDataset(stored.bucket).index
    assert index.names() == [name for name, _ in in_order(CONTENTS)]
    assert index.sizes.tolist() == [len(body) for _, body in in_order(CONTENTS)]


def test_progress_is_shown_where_asked(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    AISMapDataset(stored.other)
    assert capsys.readouterr().err == ""
    AISMapDataset(stored.other, show_progress=True)
    shown = capsys.readouterr().err
    assert "AISMapDataset: listing" in shown
    assert "7 objects" in shown
