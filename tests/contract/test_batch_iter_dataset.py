"""The dataset over GetBatch: samples of the plugin's own, requests as they were asked for, failures in their place."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, Mock, patch

import pytest
import requests
from aistore.sdk import AISSource, Bucket, Client
from aistore.sdk.enums import Colocation
from aistore.sdk.errors import ErrObjNotFound
from aistore.sdk.obj.object import Object

from aistorch import AISBaseIterDataset, AISBatchIterDataset, AISIterDataset
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import InvalidArgumentError, ObjectNotFoundError
from tests.support.loading import error_of, load
from tests.support.objects import content, in_order, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SIZES = [0, 1, 100, 4096, 70_000]
CONTENTS = {f"train/{number:03}": content(f"batch{number}", SIZES[number % len(SIZES)]) for number in range(50)}
OTHER_CONTENTS = {f"o{number}": content(f"batch-other{number}", 50) for number in range(5)}
EXPECTED = in_order(CONTENTS)
QUICK = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01))

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(scope="module")
def client(ais: Server) -> Client:
    return ais.client()


@pytest.fixture(scope="module")
def filled(client: Client) -> Iterator[Bucket]:
    with new_bucket(client, CONTENTS) as bucket:
        yield bucket


@contextmanager
def batches() -> Iterator[list[dict[str, Any]]]:
    """The bodies of the GetBatch requests made in this process from here on, each once."""
    seen: list[dict[str, Any]] = []
    send = requests.Session.send

    def watching(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if "/v1/ml/moss" in (request.url or "") and "Range" not in request.headers and request.body:
            body = json.loads(request.body)
            if not seen or seen[-1] != body:  # the proxy's redirect repeats it
                seen.append(body)
        return send(session, request, **options)

    with patch.object(requests.Session, "send", watching):
        yield seen


OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "small": {"max_batch_size": 7},
    "single": {"max_batch_size": 1, "prefix_map": ["train/00"]},
    "gzip": {"output_format": ".tgz"},
    "zip": {"output_format": ".zip"},
    "buffered": {"streaming": False},
    "colocated": {"colocation": Colocation.TARGET_AWARE},
    "going on": {"cont_on_err": True},
    "prefixes": {"prefix_map": ["train/01", "train/00"]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_samples_are_those_of_the_sdks_plugin(client: Client, filled: Bucket, options: dict[str, Any]) -> None:
    plugin = pytest.importorskip("aistore.pytorch.batch_iter_dataset")
    if "prefix_map" in options:
        options = {**options, "prefix_map": {filled: options["prefix_map"]}}
    expected = list(plugin.AISBatchIterDataset(filled, client, **options))
    dataset = AISBatchIterDataset(filled, client, **options)
    assert list(dataset) == expected
    assert list(dataset) == expected
    assert len(dataset) == len(expected)


def test_positions_of_arguments_are_the_plugins(client: Client, filled: Bucket) -> None:
    given: Any = ([filled], client, {filled: "train/00"}, False, 5, ".zip", False, Colocation.TARGET_AWARE, False, True)
    dataset = AISBatchIterDataset(*given)
    assert list(dataset) == in_order(CONTENTS, "train/00")
    assert (dataset.max_batch_size, dataset.output_format, dataset.streaming) == (5, ".zip", False)
    assert (dataset.colocation, dataset.cont_on_err, dataset.client) == (Colocation.TARGET_AWARE, True, client)
    assert isinstance(dataset, AISBaseIterDataset)


def test_requests_are_as_they_were_asked_for(client: Client, filled: Bucket) -> None:
    with batches() as seen:
        dataset = AISBatchIterDataset(filled, client, max_batch_size=20, output_format=".tgz")
        assert list(dataset) == EXPECTED
    assert [len(body["in"]) for body in seen] == [20, 20, 10]
    assert {body["mime"] for body in seen} == {".tgz"}
    assert all(body["strm"] for body in seen)
    with batches() as seen:
        list(AISBatchIterDataset(filled, streaming=False, colocation=Colocation.TARGET_AWARE))
    assert [len(body["in"]) for body in seen] == [32, 18]
    assert {(body["strm"], body["coloc"]) for body in seen} == {(False, 1)}
    with batches() as seen:
        list(AISBatchIterDataset(filled, config=ReadConfig(budget=400_000)))
    assert len(seen) > 2  # fewer objects at once, where they would be too large a part of the budget


def test_the_client_is_not_needed(ais: Server, filled: Bucket) -> None:
    assert list(AISBatchIterDataset(filled)) == EXPECTED
    url = f"ais://{filled.name}/train/02"
    assert list(AISBatchIterDataset(client_url=ais.endpoint, urls_list=url)) == in_order(CONTENTS, "train/02")
    assert list(AISBatchIterDataset(filled, config=ReadConfig(mode="auto"))) == EXPECTED


@pytest.mark.parametrize("workers", [0, 3])
def test_workers_share_the_objects(client: Client, filled: Bucket, workers: int) -> None:
    with new_bucket(client, OTHER_CONTENTS) as other:
        expected = sorted([*EXPECTED, *in_order(OTHER_CONTENTS)])
        for partition in (False, True):
            dataset = AISBatchIterDataset(
                [filled, other], client, max_batch_size=8, partition_sources_by_worker=partition
            )
            assert sorted(load(dataset, workers, "fork", batch_size=4)) == expected
        dataset = pickle.loads(pickle.dumps(dataset))
        assert sorted(load(dataset, workers, "fork")) == expected


def test_order_is_that_of_all_iterable_datasets(filled: Bucket) -> None:
    shuffled = AISBatchIterDataset(filled, shuffle=True, seed=3)
    assert list(shuffled) == list(AISIterDataset(filled, shuffle=True, seed=3)) != EXPECTED
    parts = [list(AISBatchIterDataset(filled, rank=rank, world_size=2, batch_size=5)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == EXPECTED
    shuffled.set_epoch(0)
    samples = iter(shuffled)
    taken = [next(samples) for _ in range(11)]
    state = shuffled.state_dict()
    resumed = AISBatchIterDataset(filled, shuffle=True, seed=3)
    resumed.load_state_dict(state)
    assert taken + list(resumed) == list(AISIterDataset(filled, shuffle=True, seed=3))


def test_progress_is_shown(filled: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(AISBatchIterDataset(filled, show_progress=True)) == EXPECTED
    assert "AISBatchIterDataset" in capsys.readouterr().err


# failures


@pytest.mark.parametrize("mode", ["batch", "auto"])
@pytest.mark.parametrize("workers", [0, 2])
def test_what_cannot_be_read_is_an_error_that_names_it(client: Client, filled: Bucket, workers: int, mode: Any) -> None:
    group = filled.objects(obj_names=["train/001", "gone", "train/002"])
    config = ReadConfig(mode=mode, retry=QUICK.retry)
    error = error_of(AISBatchIterDataset(group, client, config=config), workers, "fork")
    assert type(error) is ObjectNotFoundError
    assert isinstance(error, ErrObjNotFound)
    assert f"{filled.name}/gone" in str(error)


@pytest.mark.parametrize("mode", ["batch", "auto"])
def test_what_cannot_be_read_is_left_out_where_asked(
    client: Client, filled: Bucket, mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"gone{number}" if number % 4 == 1 else name for number, name in enumerate(sorted(CONTENTS))]
    config = ReadConfig(mode=mode, retry=QUICK.retry)
    dataset = AISBatchIterDataset(
        filled.objects(obj_names=names), client, max_batch_size=8, cont_on_err=True, config=config
    )
    with caplog.at_level(logging.WARNING, "aistorch"):
        assert list(dataset) == [(name, CONTENTS[name]) for name in names if name in CONTENTS]
    gone = [name for name in names if name not in CONTENTS]
    assert [any(f"{filled.name}/{name} " in text for text in caplog.messages) for name in gone] == [True] * len(gone)
    assert len(caplog.messages) == len(gone)
    assert list(AISBatchIterDataset(filled.objects(obj_names=["gone"]), cont_on_err=True, config=config)) == []


def test_what_a_source_of_ones_own_lists_is_left_out_where_asked(filled: Bucket) -> None:
    class Named(AISSource):
        def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Any:
            return (filled.object(name) for name in ("train/001", "gone", "train/002"))

        def list_urls(self, prefix: str = "", etl: Any = None) -> Any:
            raise NotImplementedError

        client = filled.client

    with pytest.raises(ObjectNotFoundError, match="gone"):
        list(AISBatchIterDataset(Named()))
    assert list(AISBatchIterDataset(Named(), cont_on_err=True)) == EXPECTED[1:3]


def test_wrong_arguments(client: Client, filled: Bucket) -> None:
    with pytest.raises(InvalidArgumentError, match="max_batch_size is 0"):
        AISBatchIterDataset(filled, client, max_batch_size=0)
    with pytest.raises(ValueError, match=r"output_format is '\.rar'; use one of \.tar"):
        AISBatchIterDataset(filled, client, output_format=".rar")
    with pytest.raises(ValueError, match="nothing to read"):
        AISBatchIterDataset([], client)
    with pytest.raises(NotImplementedError):
        list(AISBatchIterDataset(filled, client, colocation=Colocation.TARGET_AND_SHARD_AWARE))


# objects that a subclass chooses, and what stands in for the SDK's objects


class EverySecond(AISBatchIterDataset):
    def _create_objects_iter(self, sources: Any = None) -> Iterator[Object]:
        for number, obj in enumerate(super()._create_objects_iter(sources)):
            if number % 2:
                yield obj


def test_a_subclass_may_choose_objects(client: Client, filled: Bucket) -> None:
    with batches() as seen:
        assert list(EverySecond(filled, client, max_batch_size=10)) == EXPECTED[1::2]
    assert [len(body["in"]) for body in seen] == [10, 10, 5]
    assert sorted(load(EverySecond(filled, client), 2, "fork")) == EXPECTED[1::2]
    assert list(EverySecond(filled)) == EXPECTED[1::2]
    group = filled.objects(obj_names=["train/001", "gone", "train/002", "train/003"])
    with pytest.raises(ObjectNotFoundError, match="gone"):
        list(EverySecond(group, client))
    for given in (client, None):
        assert [name for name, _ in EverySecond(group, given, cont_on_err=True)] == ["train/003"]


def mocked_object(name: str, body: bytes) -> MagicMock:
    obj = MagicMock(spec=Object)
    obj.name = name
    obj.get_reader.return_value.read_all.return_value = body
    return obj


def mocked_client(answers: list[tuple[str, bytes, str]]) -> Mock:
    client = Mock()
    client.batch.return_value.get.side_effect = lambda: iter(
        [(Mock(obj_name=name, err_msg=error), body) for name, body, error in answers]
    )
    return client


def test_a_mocked_client_is_asked() -> None:
    source = MagicMock(spec=Bucket)
    objects = [mocked_object("a", b"own a"), mocked_object("b", b"own b")]
    source.list_all_objects_iter.side_effect = lambda prefix="", **_: iter(objects)
    client = mocked_client([("a", b"1", ""), ("b", b"2", "")])
    dataset = AISBatchIterDataset(source, client, colocation=Colocation.TARGET_AWARE, max_batch_size=4)
    assert list(dataset) == [("a", b"1"), ("b", b"2")]
    client.batch.assert_called_once_with(
        objects=objects,
        output_format=".tar",
        streaming_get=True,
        colocation=Colocation.TARGET_AWARE,
        cont_on_err=False,
    )
    # What it does not have is read by the objects' own readers.
    assert list(AISBatchIterDataset(source, mocked_client([("a", b"1", "")]))) == [("a", b"1"), ("b", b"own b")]
    failing = mocked_client([("a", b"", "failed"), ("b", b"2", "")])
    assert list(AISBatchIterDataset(source, failing)) == [("a", b"own a"), ("b", b"2")]
    assert list(AISBatchIterDataset(source)) == [("a", b"own a"), ("b", b"own b")]


def test_hooks_replaced_in_the_base_class_are_obeyed() -> None:
    objects = [mocked_object("a", b"own a")]
    with patch.object(AISBaseIterDataset, "_create_objects_iter", side_effect=lambda: iter(objects)):
        assert list(AISBatchIterDataset(MagicMock(spec=Bucket), mocked_client([("a", b"1", "")]))) == [("a", b"1")]
        assert list(AISIterDataset(MagicMock(spec=Bucket))) == [("a", b"own a")]
