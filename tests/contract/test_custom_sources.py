"""Sources of a user's own: whatever can list objects with a reader works, through these and nothing else."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
from aistore.sdk import AISSource, Bucket
from aistore.sdk.errors import ErrObjNotFound
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object

from aistorch import AISIterDataset, AISMapDataset
from aistorch.errors import ArgumentTypeError, ObjectNotFoundError, SampleIndexError
from tests.support.loading import error_of, load
from tests.support.objects import content, in_order, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

CONTENTS = {f"dir/o{number:02}": content(f"custom{number}", number * 100) for number in range(20)}


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


class EverySecond(AISSource):
    """A source as the SDK's documentation has it: lists objects of a bucket by a rule of its own."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Iterable[Object]:
        for position, obj in enumerate(self.bucket.list_all_objects_iter(prefix=prefix, props=props)):
            if position % 2 == 0:
                yield obj

    def list_urls(self, prefix: str = "", etl: ETLConfig | None = None) -> Iterable[str]:
        for obj in self.list_all_objects_iter(prefix):
            yield obj.get_url(etl=etl)

    @property
    def client(self) -> Any:
        return self.bucket.client


class Backwards(Bucket):
    """A bucket that lists in an order of its own."""

    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size", start_after: str = "") -> Any:
        return reversed(list(super().list_all_objects_iter(prefix, props, start_after)))


class Plain(Bucket):
    """A bucket whose class is another, and its listing not."""


class Memory:
    """No class of the SDK's at all: objects that lie in memory."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.reads: list[tuple[str, Any]] = []

    def list_all_objects_iter(self, prefix: str = "", **_: Any) -> Iterator[Any]:
        for name in self.contents:
            if name.startswith(prefix):
                yield InMemory(self, name)


class InMemory:
    def __init__(self, source: Memory, name: str) -> None:
        self.source, self.name = source, name

    def get_reader(self, etl: Any = None, **_: Any) -> InMemory:
        self.source.reads.append((self.name, etl))
        return self

    def read_all(self) -> bytes:
        return self.source.contents[self.name]


EXPECTED: dict[type, list[tuple[str, bytes]]] = {
    EverySecond: in_order(CONTENTS)[::2],
    Backwards: in_order(CONTENTS)[::-1],
    Plain: in_order(CONTENTS),
}


def made(kind: type, bucket: Bucket) -> Any:
    return EverySecond(bucket) if kind is EverySecond else kind(bucket.name, bucket.client)


def all_of(dataset: AISMapDataset) -> list[tuple[str, bytes]]:
    return [dataset[position] for position in range(len(dataset))]


@pytest.mark.parametrize("kind", EXPECTED)
def test_classes_of_a_users_own(filled: Bucket, kind: type) -> None:
    source = made(kind, filled)
    dataset = AISMapDataset(source)
    assert all_of(dataset) == EXPECTED[kind]
    assert dataset.__getitems__([-1, 0, -1]) == [EXPECTED[kind][-1], EXPECTED[kind][0], EXPECTED[kind][-1]]
    with pytest.raises(SampleIndexError):
        dataset[len(EXPECTED[kind])]
    assert list(AISIterDataset(source)) == EXPECTED[kind]
    assert len(AISIterDataset(source)) == len(EXPECTED[kind])


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_sdks_plugin_agrees(filled: Bucket, kind: type) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    source = made(kind, filled)
    theirs = plugin.AISMapDataset(source, {source: ["dir/o1", "dir/o"]})
    ours = AISMapDataset(source, {source: ["dir/o1", "dir/o"]})
    assert all_of(ours) == [theirs[position] for position in range(len(theirs))]


def test_all_kinds_together_keep_their_order(filled: Bucket) -> None:
    memory: Any = Memory({"m1": b"one", "m2": b""})
    every = EverySecond(filled)
    group = filled.objects(obj_names=["dir/o03", "dir/o01"])
    sources = [memory, filled, every, group, memory]
    prefix_map = {filled: "dir/o1", memory: ["m2", "m"]}
    in_memory = [("m2", b""), ("m1", b"one"), ("m2", b"")]
    expected = [
        *in_memory,
        *in_order(CONTENTS, "dir/o1"),
        *in_order(CONTENTS)[::2],
        ("dir/o03", CONTENTS["dir/o03"]),
        ("dir/o01", CONTENTS["dir/o01"]),
        *in_memory,
    ]
    dataset = AISMapDataset(sources, prefix_map)
    assert all_of(dataset) == expected
    backwards = list(range(len(dataset)))[::-1]
    assert dataset.__getitems__(backwards) == expected[::-1]
    assert list(AISIterDataset(sources, prefix_map)) == expected
    for workers in (0, 2):
        assert load(dataset, workers, batch_size=5) == expected


def test_objects_of_ones_own_class_are_what_subclasses_see() -> None:
    source: Any = Memory({"m1": b"one", "m2": b"two"})
    objects = AISMapDataset(source).get_obj_list()
    assert {type(obj).__name__ for obj in objects} == {"InMemory"}
    assert objects[-1].get_reader().read_all() == b"two"


def test_an_etl_is_passed_on_to_the_reader() -> None:
    source: Any = Memory({"m": b"one"})
    assert AISMapDataset(source, etl_name="resize")[0] == ("m", b"one")
    assert list(AISIterDataset(source, etl_name=ETLConfig("resize", args="x"))) == [("m", b"one")]
    AISMapDataset(source)[0]
    assert [(name, etl.name, etl.args) for name, etl in source.reads] == [
        ("m", "resize", None),
        ("m", "resize", "x"),
        ("m", None, None),
    ]


def test_mocks_as_tests_of_users_have_them() -> None:
    def mocked(name: str, body: bytes) -> MagicMock:
        obj = MagicMock(spec=Object)
        obj.name = name
        obj.get_reader.return_value.read_all.return_value = body
        return obj

    objects = [mocked("a", b"1"), mocked("b", b"2")]
    source = MagicMock(spec=Bucket)
    source.list_all_objects_iter.side_effect = lambda prefix="", **_: iter(objects)
    assert all_of(AISMapDataset(source)) == [("a", b"1"), ("b", b"2")]
    assert all_of(AISMapDataset([source, source], {source: ["x", "y"]})) == [("a", b"1"), ("b", b"2")] * 4
    assert [call.kwargs["prefix"] for call in source.list_all_objects_iter.call_args_list] == ["", "x", "y", "x", "y"]
    assert list(AISIterDataset(source)) == [("a", b"1"), ("b", b"2")]
    assert AISMapDataset(source).get_obj_list()[1] is objects[1]


def test_datasets_of_a_users_own_source_can_be_pickled(filled: Bucket) -> None:
    source: Any = Memory({"m1": b"one"})
    for dataset in (AISMapDataset([source, EverySecond(filled)]), AISIterDataset([source, EverySecond(filled)])):
        expected = [dataset[0]] if isinstance(dataset, AISMapDataset) else [next(iter(dataset))]
        copy = pickle.loads(pickle.dumps(dataset))
        assert expected == [("m1", b"one")]
        samples = all_of(copy) if isinstance(copy, AISMapDataset) else list(copy)
        assert samples == [("m1", b"one"), *in_order(CONTENTS)[::2]]


def test_what_the_sdk_cannot_read_is_an_error_that_crosses_processes(bucket: Bucket) -> None:
    bucket.object("gone").get_writer().put_content(b"x")
    dataset = AISMapDataset(EverySecond(bucket))
    bucket.object("gone").delete()
    for workers in (0, 1):
        error = error_of(dataset, workers)
        assert isinstance(error, ErrObjNotFound)
        assert isinstance(error, ObjectNotFoundError)
        assert f"ais://{bucket.name}/gone" in str(error)


def test_what_a_users_own_reader_raises_passes_as_it_is() -> None:
    class Broken(Memory):
        def list_all_objects_iter(self, prefix: str = "", **_: Any) -> Iterator[Any]:
            yield from super().list_all_objects_iter(prefix)
            raise LookupError("the list has a hole")

    source: Any = Memory({"m1": b"one", "m2": b"two"})
    dataset = AISMapDataset(source)
    del source.contents["m2"]
    assert dataset[0] == ("m1", b"one")
    with pytest.raises(KeyError):
        dataset[1]
    broken: Any = Broken({"m1": b"one"})
    with pytest.raises(LookupError, match="the list has a hole"):
        AISMapDataset(broken)


def test_what_cannot_list_is_no_source() -> None:
    with pytest.raises(ArgumentTypeError, match=r"must hold sources such as client\.bucket"):
        AISMapDataset([object()])  # type: ignore[list-item]
