"""Whatever is raised while a request is taken in ends the stream: nothing is waited for that was never sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.config import ReadConfig
from aistorch.errors import ReadError
from aistorch.fetch import engine as engine_module
from aistorch.fetch import transport as transport_module
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.engine import Engine, Sample
from aistorch.fetch.request import Request
from aistorch.fetch.transport import Transport
from tests.support.node_engine import QUICK, content_of, engine_for, name_of, requests_for, serve
from tests.support.replies import cluster_map
from tests.support.scripted_node import Asked, ScriptedNode, answering

NAMES = [name_of(number, 10 + 40 * number) for number in range(30)]


class Unforeseen(Exception):
    pass


ERRORS = [Unforeseen(), MemoryError(), UnicodeEncodeError("latin-1", "x", 0, 1, "no"), RecursionError()]
# Every call that is made between the moment a request is taken from the source and the one it is queued.
CALLS: list[tuple[object, str]] = [
    (Request, "split"),
    (Transport, "submit"),
    (Transport, "shape"),
    (Transport, "_node"),
    (Cluster, "address_of"),
    (Engine, "_pieces"),
    (engine_module, "_assumed"),
    (transport_module, "Node"),
]


def alone(asked: Asked) -> bytes:
    return cluster_map({}) if asked.wants_map else serve(asked)


def failing_at(original: Callable[..., Any], count: int, error: BaseException) -> Callable[..., Any]:
    left = count

    def call(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise error
        return original(*args, **options)

    return call


def collect(runs: Iterator[list[Sample]], samples: list[Sample]) -> None:
    for run in runs:
        samples += run


def outcome(runs: Iterator[list[Sample]], samples: list[Sample]) -> Exception | None:
    try:
        collect(runs, samples)
    except Exception as error:
        return error
    return None


@settings(max_examples=40)
@given(
    call=st.sampled_from(CALLS),
    count=st.integers(1, 40),
    in_order=st.booleans(),
    error=st.sampled_from(
        [Unforeseen(), MemoryError(), UnicodeEncodeError("latin-1", "x", 0, 1, "no"), RecursionError()]
    ),
)
def test_an_error_at_any_call_ends_the_stream_with_it(
    call: tuple[object, str], count: int, in_order: bool, error: BaseException
) -> None:
    owner, name = call
    config = ReadConfig(split_from=500, in_flight=8, retry=QUICK)
    found: list[Sample] = []
    with ScriptedNode(answering(alone)) as node, engine_for(node, config) as engine:
        with (
            patch.object(engine_module, "PART_SIZE", 200),
            patch.object(owner, name, failing_at(getattr(owner, name), count, error)),
        ):
            raised = outcome(engine.stream(requests_for(NAMES, "t1"), in_order), found)
        if raised is None:
            assert len(found) == len(NAMES)  # so many calls were not made
        else:
            assert raised is error or (isinstance(error, MemoryError) and isinstance(raised, ReadError))
        assert set(found) <= {(each, content_of(each)) for each in NAMES}
        assert len({each for each, _ in found}) == len(found)
        assert engine._bytes == 0
        assert engine.read(requests_for(NAMES)) == [(each, content_of(each)) for each in NAMES]


def test_an_object_listed_as_larger_than_memory_is_an_error_that_names_it_after_those_before() -> None:
    found: list[Sample] = []
    requests = list(requests_for(NAMES))
    requests[5].size = 1 << 60
    with (
        ScriptedNode(answering(alone)) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError, match=f"{1 << 60} bytes, more than there is memory for") as raised,
    ):
        collect(engine.stream(requests), found)
    assert raised.value.name == f"ais://bck/{NAMES[5]}"
    assert [name for name, _ in found] == NAMES[:5]
