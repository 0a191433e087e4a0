"""The engine against nodes that do as they are told: every sample once, in order, within bounds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import AIStorchError, ObjectNotFoundError
from aistorch.fetch import engine as engine_module
from aistorch.fetch.engine import Sample
from aistorch.fetch.request import Request
from tests.support.node_engine import QUICK, content_of, engine_for, map_of, name_of, requests_for, serve
from tests.support.replies import cluster_map, refusal
from tests.support.scripted_node import Asked, ScriptedNode, Wire, answering

sizes = st.one_of(st.integers(0, 300), st.sampled_from([4096, 65_535, 65_536, 200_000]))


def alone(asked: Asked) -> bytes:
    """A proxy that serves all objects itself and knows no targets."""
    return cluster_map({}) if asked.wants_map else serve(asked)


def collect(runs: Iterator[list[Sample]], samples: list[Sample]) -> None:
    for run in runs:
        samples += run


@pytest.fixture(scope="module")
def proxy() -> Iterator[ScriptedNode]:
    with ScriptedNode(answering(alone)) as node:
        yield node


@settings(max_examples=30)
@given(
    listed=st.lists(sizes, max_size=60),
    budget=st.sampled_from([1, 10_000, 1 << 26]),
    in_flight=st.sampled_from([None, 1, 2, 5]),
    in_order=st.booleans(),
    sized=st.booleans(),
)
def test_every_sample_comes_once_and_in_order(
    proxy: ScriptedNode, listed: list[int], budget: int, in_flight: int | None, in_order: bool, sized: bool
) -> None:
    names = [name_of(number, size) for number, size in enumerate(listed)]
    with engine_for(proxy, ReadConfig(budget=budget, in_flight=in_flight, retry=QUICK)) as engine:
        samples = [sample for run in engine.stream(requests_for(names, sized=sized), in_order) for sample in run]
    assert [name for name, _ in (samples if in_order else sorted(samples, key=_number))] == names
    for name, body in samples:
        assert type(body) is bytes
        assert body == content_of(name)


def _number(sample: Sample) -> int:
    return int(sample[0].split(" ")[1].partition("/")[0])


@settings(max_examples=10)
@given(extra=st.integers(-2, 2), parts=st.integers(1, 4), target=st.sampled_from([None, "t1"]))
def test_large_objects_come_in_ranges(extra: int, parts: int, target: str | None) -> None:
    part = 100_000
    names = [name_of(1, part * parts + extra), name_of(2, 10)]
    with (
        ScriptedNode(answering(serve)) as holder,
        ScriptedNode(answering(lambda asked: map_of(t1=holder) if asked.wants_map else serve(asked))) as front,
        engine_for(front, ReadConfig(split_from=part, retry=QUICK)) as engine,
        patch.object(engine_module, "PART_SIZE", part),
    ):
        assert engine.read(requests_for(names, target)) == [(name, content_of(name)) for name in names]
        asked = (holder if target else front).objects()
    wanted = sorted(each.headers.get("range", "") for each in asked)
    expected = -(-(part * parts + extra) // part) if part * parts + extra >= part else 1
    assert len(wanted) == expected + 1
    if expected > 1:
        assert wanted[1:] == sorted(
            f"bytes={start}-{min(start + part, part * parts + extra) - 1}"
            for start in range(0, part * parts + extra, part)
        )


def test_what_is_ahead_of_the_consumer_stays_within_the_budget() -> None:
    size, budget = 100_000, 1_000_000
    names = [name_of(number, size) for number in range(60)]
    with (
        ScriptedNode(answering(alone)) as node,
        engine_for(node, ReadConfig(budget=budget, retry=QUICK)) as engine,
    ):
        taken = 0
        for run in engine.stream(requests_for(names)):
            # What was handed out in the run before may be taken for consumed.
            taken += len(run)
            assert (len(node.objects()) - taken) * size <= budget + size
        assert taken == len(names)


@pytest.mark.parametrize(("expected", "ahead"), [(900_000, 2), (-1, 5), (10_000, 40)])
def test_objects_of_unknown_size_count_as_what_is_expected_and_then_came(expected: int, ahead: int) -> None:
    size, budget = 900_000, 1_000_000
    names = [name_of(number, size) for number in range(40)]
    requests = list(requests_for(names, sized=False))
    for request in requests:
        request.expected = expected
    with ScriptedNode(answering(alone)) as node, engine_for(node, ReadConfig(budget=budget, retry=QUICK)) as engine:
        taken = 0
        for run in engine.stream(requests):
            assert engine._bytes >= len(run) * size
            taken += len(run)
            assert len(node.objects()) <= taken + ahead
        assert taken == len(names)
        assert engine._bytes == 0


def test_objects_larger_than_the_budget_pass_one_at_a_time() -> None:
    names = [name_of(number, 300_000) for number in range(5)]
    with ScriptedNode(answering(alone)) as node, engine_for(node, ReadConfig(budget=1000, retry=QUICK)) as engine:
        for position, run in enumerate(engine.stream(requests_for(names))):
            assert run == [(names[position], content_of(names[position]))]
            assert len(node.objects()) == position + 1


@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_fixed_number_in_flight_bounds_what_is_asked_for(in_flight: int) -> None:
    names = [name_of(number, 10) for number in range(40)]
    with (
        ScriptedNode(answering(alone)) as node,
        engine_for(node, ReadConfig(in_flight=in_flight, retry=QUICK)) as engine,
    ):
        taken = 0
        for run in engine.stream(requests_for(names)):
            taken += len(run)
            # Twice: the other half wait for one before them.
            assert len(node.objects()) <= taken + 2 * in_flight


def test_requests_are_taken_as_room_comes_free_and_not_before() -> None:
    made = 0

    def counting() -> Iterator[Request]:
        nonlocal made
        for request in requests_for(name_of(number, 10) for number in range(10_000)):
            made += 1
            yield request

    with ScriptedNode(answering(alone)) as node, engine_for(node) as engine:
        stream = engine.stream(counting())
        next(stream)
        assert made < 1000


def test_out_of_order_a_slow_object_does_not_hold_up_the_others() -> None:
    names = [name_of(number, 10) for number in range(20)]
    gate = threading.Event()

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            if asked.name == names[0]:
                assert gate.wait(20)
            wire.send(alone(asked))

    with ScriptedNode(talk) as node, engine_for(node, ReadConfig(in_flight=20, retry=QUICK)) as engine:
        arrived: list[str] = []
        for run in engine.stream(requests_for(names), in_order=False):
            arrived += [name for name, _ in run]
            if len(arrived) >= 3:
                gate.set()
    assert sorted(arrived) == sorted(names)
    assert arrived[0] != names[0]


def test_a_stream_left_early_does_not_disturb_the_next_one(proxy: ScriptedNode) -> None:
    first = [name_of(number, 5000) for number in range(200)]
    second = [name_of(number, 5001) for number in range(200)]
    with engine_for(proxy) as engine:
        for _ in range(3):
            stream = engine.stream(requests_for(first))
            assert next(stream)[0] == (first[0], content_of(first[0]))
            del stream
            assert engine.read(requests_for(second)) == [(name, content_of(name)) for name in second]


def test_an_error_comes_in_its_place_and_the_engine_goes_on_to_work() -> None:
    names = [name_of(number, 20) for number in range(100)]

    def answer(asked: Asked) -> bytes:
        if asked.name == names[50]:
            return refusal(404, f"ais://bck/{asked.name} does not exist")
        return alone(asked)

    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        samples: list[Sample] = []
        with pytest.raises(ObjectNotFoundError) as raised:
            collect(engine.stream(requests_for(names)), samples)
        assert raised.value.name == f"ais://bck/{names[50]}"
        assert samples == [(name, content_of(name)) for name in names[:50]]
        assert engine.read(requests_for(names[:50])) == samples


def test_an_error_while_listing_comes_after_the_samples_before_it() -> None:
    names = [name_of(number, 20) for number in range(30)]

    def ending() -> Iterator[Request]:
        yield from requests_for(names)
        raise AIStorchError("the listing ended")

    with ScriptedNode(answering(alone)) as node, engine_for(node) as engine:
        samples: list[Sample] = []
        with pytest.raises(AIStorchError, match="the listing ended"):
            collect(engine.stream(ending()), samples)
    assert [name for name, _ in samples] == names


def test_connections_are_kept_from_one_stream_to_the_next() -> None:
    names = [name_of(number, 20) for number in range(8)]
    with ScriptedNode(answering(alone)) as node, engine_for(node, ReadConfig(in_flight=8, retry=QUICK)) as engine:
        engine.read(requests_for(names))
        made = node.connections
        for _ in range(5):
            engine.read(requests_for(names))
        assert node.connections == made


def test_connections_that_the_server_closed_while_idle_cost_no_attempt() -> None:
    names = [name_of(number, 20) for number in range(8)]
    closed = threading.Event()

    def talk(wire: Wire) -> None:
        served = 0
        for asked in wire.requests():
            wire.send(alone(asked))
            served += not asked.wants_map
            if served == len(names):
                wire.end()
                closed.set()
                return

    config = ReadConfig(in_flight=100, retry=RetryPolicy(attempts=1, read_timeout=10))
    with ScriptedNode(talk) as node, engine_for(node, config) as engine:
        for _ in range(4):
            assert len(engine.read(requests_for(names))) == len(names)
    assert Counter(asked.name for asked in node.objects()).keys() == set(names)


def test_requests_go_to_the_target_that_was_listed_and_to_the_proxy_where_none_was() -> None:
    names = [name_of(number, 20) for number in range(9)]
    with (
        ScriptedNode(answering(serve)) as first,
        ScriptedNode(answering(serve)) as second,
        ScriptedNode(
            answering(lambda asked: map_of(t1=first, t2=second) if asked.wants_map else serve(asked))
        ) as front,
        engine_for(front, token="secret") as engine,
    ):
        requests = list(requests_for(names))
        for request, target in zip(requests, ["t1", "t2", None] * 3, strict=True):
            request.target = target
        assert engine.read(iter(requests)) == [(name, content_of(name)) for name in names]
        assert [asked.name for asked in first.objects()] == names[0::3]
        assert [asked.name for asked in second.objects()] == names[1::3]
        assert [asked.name for asked in front.objects()] == names[2::3]
        # No target is told the token: the proxy's is the only door that wants it.
        assert {asked.headers.get("authorization") for asked in front.asked} == {"Bearer secret"}
        assert all("authorization" not in asked.headers for node in (first, second) for asked in node.asked)


def test_without_direct_reads_all_requests_go_to_the_proxy() -> None:
    names = [name_of(number, 20) for number in range(5)]
    with (
        ScriptedNode(answering(serve)) as target,
        ScriptedNode(answering(lambda asked: map_of(t1=target) if asked.wants_map else serve(asked))) as front,
        engine_for(front, ReadConfig(direct=False, retry=QUICK)) as engine,
    ):
        engine.read(requests_for(names, "t1"))
        assert target.asked == []
        assert len(front.objects()) == 5


def test_a_gateways_path_stands_before_the_proxys_only() -> None:
    with (
        ScriptedNode(answering(serve)) as target,
        ScriptedNode(answering(lambda asked: map_of(t1=target) if asked.wants_map else serve(asked))) as front,
        engine_for(front, path="/gateway/v1") as engine,
    ):
        engine.read(requests_for([name_of(1, 5)], "t1"))
        engine.read(requests_for([name_of(2, 5)]))
        assert target.objects()[0].target.startswith("/v1/objects/bck/o%201/5.bin")
        assert front.objects()[0].target.startswith("/gateway/v1/objects/bck/o%202/5.bin")


def test_an_object_that_changed_while_it_was_read_gives_all_its_room_back() -> None:
    size = 1_000_000
    names = [name_of(number, size) for number in range(24)]
    cut: set[str] = set()

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            changes = asked.name in names[:4]
            if asked.wants_map:
                wire.send(cluster_map({}))
            elif changes and asked.name not in cut:
                cut.add(asked.name)
                wire.send(serve(asked)[: size // 2])
                wire.end()
                return
            else:
                wire.send(serve(asked, content_of(asked.name) + b"more" if changes else None))

    config = ReadConfig(budget=4 * size, in_flight=32, retry=QUICK)
    with ScriptedNode(talk) as node, engine_for(node, config) as engine:
        ahead: list[int] = []
        samples: list[Sample] = []
        for run in engine.stream(requests_for(names)):
            samples += run
            ahead.append(len({asked.name for asked in node.objects()}) - len(samples))
    assert samples == [(name, content_of(name) + b"more" * (name in names[:4])) for name in names]
    assert max(ahead[8:18]) >= 2
