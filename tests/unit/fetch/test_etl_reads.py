"""Reads that go through an ETL which does not answer as it should."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from aistore.sdk.errors import AISError
from aistore.sdk.etl import ETLConfig

from aistorch.errors import ObjectNotFoundError, ReadError, TransformError
from aistorch.fetch.foreign import read_objects
from aistorch.fetch.request import Request
from tests.support.node_engine import engine_for
from tests.support.replies import cluster_map, plain, redirect, refusal
from tests.support.scripted_node import Asked, ScriptedNode, answering

MISSING = "resize-2 does not exist - try starting new ETL"


def request(name: str = "o", position: int = 0) -> Request:
    line = f"GET /v1/objects/bck/{name}?provider=ais&etl_name=resize-2 HTTP/1.1".encode()
    return Request(position, line, -1, None, name, "ais://bck/")


def listing(stage: str) -> bytes:
    return plain(200, json.dumps([{"id": "another", "stage": "Running"}, {"id": "resize-2", "stage": stage}]).encode())


def proxy(read: Callable[[int], bytes], etls: bytes) -> tuple[ScriptedNode, list[Asked]]:
    """A node whose answer to a read depends on how many there were before."""
    reads: list[Asked] = []

    def answer(asked: Asked) -> bytes:
        if asked.wants_map:
            return cluster_map({})
        if asked.target == "/v1/etl":
            return etls
        reads.append(asked)
        return read(len(reads) - 1)

    return ScriptedNode(answering(answer)), reads


@pytest.mark.parametrize("stage", ["Initializing", "Running"])
def test_an_etl_that_targets_do_not_know_yet_is_waited_for(stage: str) -> None:
    node, reads = proxy(lambda before: refusal(404, MISSING) if before < 3 else plain(200, b"made"), listing(stage))
    with node, engine_for(node) as engine:
        assert engine.read([request()]) == [("o", b"made")]
    assert len(reads) == 4


def test_an_etl_that_never_comes_is_an_error_in_the_end() -> None:
    node, reads = proxy(lambda _: refusal(404, MISSING), listing("Initializing"))
    with node, engine_for(node) as engine, pytest.raises(TransformError, match="resize-2 does not exist") as raised:
        engine.read([request()])
    assert raised.value.attempts == len(reads) == 4


@pytest.mark.parametrize(
    "etls", [listing("Aborted"), plain(200, b"[]"), plain(200, b"null"), plain(200, b"<html>"), refusal(403, "")]
)
def test_an_etl_that_does_not_come_is_not_waited_for(etls: bytes) -> None:
    node, reads = proxy(lambda _: refusal(404, MISSING), etls)
    with node, engine_for(node) as engine, pytest.raises(TransformError, match="ais://bck/o could not be transformed"):
        engine.read([request()])
    assert len(reads) == 1


def test_many_reads_ask_once_whether_an_etl_comes() -> None:
    count = 16
    node, reads = proxy(lambda n: refusal(404, MISSING) if n < count else plain(200, b"made"), listing("Initializing"))
    with node, engine_for(node) as engine:
        assert len(engine.read([request(str(position), position) for position in range(count)])) == count
    assert len([asked for asked in node.asked if asked.target == "/v1/etl"]) <= 3
    assert len(reads) == 2 * count


def test_an_object_that_fails_in_the_transformer_is_tried_once_more() -> None:
    node, reads = proxy(lambda before: plain(200, b"made") if before else refusal(500, "ETL error: 7"), b"")
    with node, engine_for(node) as engine:
        assert engine.read([request()]) == [("o", b"made")]
    for status in (500, 404, 422):
        node, reads = proxy(lambda _, status=status: refusal(status, "ETL error: no image"), listing("Running"))  # type: ignore[misc]
        with node, engine_for(node) as engine, pytest.raises(TransformError, match="no image"):
            engine.read([request()])
        assert len(reads) == 2


def test_a_transformer_that_is_too_busy_is_asked_again() -> None:
    node, _ = proxy(lambda before: plain(200, b"made") if before == 3 else refusal(503, "ETL error: busy"), b"")
    with node, engine_for(node) as engine:
        assert engine.read([request()]) == [("o", b"made")]


def test_a_pod_that_clients_are_sent_to_has_errors_of_its_own() -> None:
    detail = b'{"detail":"Processing error: no image"}'
    with ScriptedNode(answering(lambda _: plain(422, detail))) as pod:
        node, _ = proxy(lambda _: redirect(f"{pod.url}/bck/o"), b"")
        with node, engine_for(node) as engine, pytest.raises(TransformError, match="Processing error: no image"):
            engine.read([request()])


class Failing:
    """An object whose reader fails as the SDK's does."""

    name = "7.png"

    def __init__(self, status: int, message: str) -> None:
        self._error = AISError(status, message, "", None)  # type: ignore[arg-type]

    def get_reader(self, etl: ETLConfig) -> Failing:
        return self

    def read_all(self) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    ("etl", "status", "message", "kind"),
    [
        ("resize-2", 404, "resize-2 does not exist", TransformError),
        ("resize-2", 404, "ais://bck/7.png does not exist", ObjectNotFoundError),
        ("resize-2", 422, "ETL error: 7.png is bad", TransformError),
        (None, 404, "", ObjectNotFoundError),
        (None, 422, "", ReadError),
    ],
)
def test_what_the_sdk_could_not_read(etl: str | None, status: int, message: str, kind: type[ReadError]) -> None:
    with pytest.raises(ReadError) as raised:
        list(read_objects([Failing(status, message)], ETLConfig(etl) if etl else None))  # type: ignore[list-item]
    assert type(raised.value) is kind
