"""The list of objects that subclasses see: the SDK's own objects, made on access."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aistore.sdk import Client
from aistore.sdk.obj.object import Object

from aistorch.datasets.objects import ObjectSequence
from aistorch.errors import SampleIndexError
from aistorch.index.object_index import ObjectIndex

CLIENT = Client("http://127.0.0.1:1")
FIRST, SECOND = CLIENT.bucket("first"), CLIENT.bucket("second", "aws")
NAMES = ["a", "b b", "c", "d/é", "e"]


@pytest.fixture
def objects() -> ObjectSequence:
    index = ObjectIndex.from_names(NAMES, sizes=[0, 10, -1, 3, 4], sources=[0, 0, 1, 2, 1])
    return ObjectSequence(index, [FIRST, SECOND, FIRST.objects(obj_names=["d/é"])])


def test_objects_are_the_sdks_in_their_buckets(objects: ObjectSequence) -> None:
    assert isinstance(objects, Sequence)
    assert [type(obj) for obj in objects] == [Object] * 5
    assert [obj.name for obj in objects] == NAMES
    assert [obj.bucket_name for obj in objects] == ["first", "first", "second", "first", "second"]
    assert [obj.bucket_provider.value for obj in objects] == ["ais", "ais", "aws", "ais", "aws"]
    assert [obj.get_semantic_url() for obj in objects][1:3] == ["ais://first/b b", "aws://second/c"]


def test_sizes_come_without_a_request_where_they_were_listed(objects: ObjectSequence) -> None:
    cached = [obj.props_cached for obj in objects]
    assert [None if props is None else props.size for props in cached] == [0, 10, None, 3, 4]


def test_positions_are_those_of_a_list(objects: ObjectSequence) -> None:
    assert len(objects) == 5
    assert [objects[position].name for position in range(-5, 5)] == NAMES * 2
    for outside in (5, -6, 100):
        with pytest.raises(SampleIndexError, match=f"index {outside} is outside a dataset of 5 objects"):
            objects[outside]
    with pytest.raises(TypeError):
        objects["a"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "part",
    [slice(None), slice(1, 3), slice(-2, None), slice(None, None, -1), slice(4, 0, -2), slice(3, 3), slice(9, 20)],
)
def test_slices_are_those_of_a_list(objects: ObjectSequence, part: slice) -> None:
    assert [obj.name for obj in objects[part]] == NAMES[part]


def test_nothing_is_stored(objects: ObjectSequence) -> None:
    assert objects[0] is not objects[0]


def test_objects_of_a_users_source_are_those_that_it_gave() -> None:
    given = [FIRST.object("x"), FIRST.object("y")]
    index = ObjectIndex.from_names(["x", "y"], foreign=dict(enumerate(given)))
    objects = ObjectSequence(index, [object()])  # type: ignore[list-item]
    assert list(objects) == given
    assert list(objects[::-1]) == given[::-1]
