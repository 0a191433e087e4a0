"""Nodes that misbehave in every way they can: each sample arrives once and whole, or an error tells what happened."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ChecksumError,
    ObjectNotFoundError,
    ReadError,
    ServerError,
    TransformError,
    TruncatedReadError,
)
from aistorch.fetch import cluster as cluster_module
from aistorch.fetch import engine as engine_module
from aistorch.fetch import transport
from aistorch.fetch.engine import Sample
from aistorch.fetch.request import Request
from tests.support.node_engine import QUICK, content_of, engine_for, map_of, name_of, requests_for, serve
from tests.support.replies import chunked, cluster_map, plain, redirect, refusal, stored, until_close
from tests.support.scripted_node import Asked, ScriptedNode, Wire, answering

NAMES = [name_of(number, size) for number, size in enumerate([0, 10, 200, 70_000, 5, 4096, 66_000, 1])]
LARGE = name_of(99, 3_000_000)


def samples(names: list[str]) -> list[tuple[str, bytes]]:
    return [(name, content_of(name)) for name in names]


def times(
    count: int, first: Callable[[Asked], bytes], then: Callable[[Asked], bytes] = serve
) -> Callable[[Asked], bytes]:
    """A proxy without targets whose answers to the first so many requests are others."""
    seen = 0

    def answer(asked: Asked) -> bytes:
        nonlocal seen
        if asked.wants_map:
            return cluster_map({})
        seen += 1
        return first(asked) if seen <= count else then(asked)

    return answer


def collect(runs: Iterator[list[Sample]], found: list[Sample]) -> None:
    for run in runs:
        found += run


# connections that break


@st.composite
def behaviours(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """For each connection: how it ends, after how many replies, and after how many bytes of the next one."""
    ends = st.sampled_from(["end", "reset", "garbage", "damage"])
    return draw(st.lists(st.tuples(ends, st.integers(0, 5), st.integers(0, 80_000)), max_size=8))


@settings(max_examples=40)
@given(script=behaviours(), in_flight=st.sampled_from([1, 4, 32]))
def test_whatever_connections_do_all_samples_arrive_once(script: list[tuple[str, int, int]], in_flight: int) -> None:
    def talk(wire: Wire) -> None:
        end, replies, at = script[wire.number] if wire.number < len(script) else ("", -1, 0)
        for asked in wire.requests():
            reply = cluster_map({}) if asked.wants_map else serve(asked)
            if asked.wants_map or replies:
                replies -= not asked.wants_map
                wire.send(reply)
            elif end == "garbage":
                wire.send(b"this is no HTTP\r\n\r\n")
                return
            elif end == "damage":
                # Of an empty object, the head ends the reply: damaged, it would be waited for.
                last = reply[-1] ^ 1 if content_of(asked.name) else reply[-1]
                wire.send(reply[:-1] + bytes([last]))
                replies = -1
            else:
                wire.send(reply[: min(at, len(reply) - 1)])
                wire.reset() if end == "reset" else wire.end()
                return

    retry = RetryPolicy(attempts=12, backoff=0.0, read_timeout=10.0)
    config = ReadConfig(in_flight=in_flight, retry=retry)
    with ScriptedNode(talk) as node, engine_for(node, config) as engine:
        assert engine.read(requests_for(NAMES)) == samples(NAMES)
        assert engine.read(requests_for(NAMES[:3])) == samples(NAMES[:3])


def test_a_large_object_goes_on_where_its_connection_broke() -> None:
    name, piece = name_of(99, 6_000_000), 1_300_000

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            if asked.wants_map:
                wire.send(cluster_map({}))
                continue
            wire.send(serve(asked)[:piece])
            wire.end()
            return

    # Two attempts, five connections: what arrives a megabyte and more at a time is not given up.
    config = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.001))
    with ScriptedNode(talk) as node, engine_for(node, config) as engine:
        assert engine.read(requests_for([name])) == samples([name])
        ranges = [asked.headers.get("range", "") for asked in node.objects()]
    assert ranges[0] == ""
    starts = [0] + [int(re.findall(r"bytes=(\d+)-5999999", wanted)[0]) for wanted in ranges[1:]]
    assert len(starts) == 5
    # The heads of the replies are all that is missing.
    assert all(piece - 500 < after - before < piece for before, after in pairwise(starts))


def test_a_node_that_knows_no_ranges_sends_all_of_it_again() -> None:
    whole = stored(content_of(LARGE))
    answer = times(1, lambda _: whole[:1_500_000], lambda _: whole)

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            reply = answer(asked)
            wire.send(reply)
            if len(reply) == 1_500_000:
                wire.end()
                return

    with ScriptedNode(talk) as node, engine_for(node) as engine:
        assert engine.read(requests_for([LARGE])) == samples([LARGE])
        assert [("range" in asked.headers) for asked in node.objects()] == [False, True]


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("size_now", [0, 150_000, 250_000, 290_000, 310_000])
def test_an_object_replaced_since_it_was_listed_is_the_new_one(size_now: int, in_order: bool) -> None:
    name, now = name_of(1, 300_000), b"n" * size_now
    around = [name_of(0, 10), name, *(name_of(number, 10) for number in range(2, 40))]

    def answer(asked: Asked) -> bytes:
        if asked.wants_map:
            return cluster_map({})
        return serve(asked, now) if asked.name == name else serve(asked)

    config = ReadConfig(split_from=100_000, in_flight=4, retry=QUICK)
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, config) as engine,
        patch.object(engine_module, "PART_SIZE", 100_000),
    ):
        found = [sample for run in engine.stream(requests_for(around), in_order) for sample in run]
    expected = {each: now if each == name else content_of(each) for each in around}
    assert len(found) == len(expected)
    assert dict(found) == expected


@pytest.mark.parametrize("verify", [True, False])
def test_parts_of_two_versions_are_never_put_together(verify: bool) -> None:
    """The object is overwritten by another of the same size while its ranges are read."""
    name, old, new = name_of(1, 300_000), b"o" * 300_000, b"n" * 300_000
    seen = 0

    def answer(asked: Asked) -> bytes:
        nonlocal seen
        if asked.wants_map:
            return cluster_map({})
        seen += 1
        return serve(asked, old if seen == 1 else new)

    config = ReadConfig(split_from=100_000, verify=verify, retry=QUICK)
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, config) as engine,
        patch.object(engine_module, "PART_SIZE", 100_000),
    ):
        assert engine.read(requests_for([name])) == [(name, new)]


# what never arrives, or arrives damaged


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_connection_that_always_breaks_is_given_up(attempts: int) -> None:
    name = NAMES[2]
    config = ReadConfig(retry=RetryPolicy(attempts=attempts, backoff=0.001))
    with (
        ScriptedNode(answering(times(99, lambda _: b""))) as node,
        engine_for(node, config) as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for([name]))
    assert len(node.objects()) == attempts
    assert raised.value.attempts == attempts
    assert raised.value.name == f"ais://bck/{name}"
    assert raised.value.causes == (f"{node.url}: the connection was closed",) * attempts


def test_a_reply_that_is_always_cut_is_truncated() -> None:
    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            wire.send(cluster_map({}) if asked.wants_map else serve(asked)[:-50])
            wire.end()
            return

    with ScriptedNode(talk) as node, engine_for(node) as engine, pytest.raises(TruncatedReadError) as raised:
        engine.read(requests_for([NAMES[2]]))
    assert raised.value.attempts == QUICK.attempts
    assert raised.value.causes[-1] == f"{node.url}: ended at byte 150 of 200"


@pytest.mark.parametrize("name", [NAMES[2], NAMES[3], LARGE])
def test_a_damaged_body_is_read_again(name: str) -> None:
    damaged = bytearray(serve(Asked(f"/v1/objects/bck/{name}")))
    damaged[-7] ^= 0x20
    with ScriptedNode(answering(times(2, lambda _: bytes(damaged)))) as node, engine_for(node) as engine:
        assert engine.read(requests_for([name])) == samples([name])
        assert len(node.objects()) == 3


def test_a_body_that_is_always_damaged_is_refused_and_unless_it_is_verified_taken() -> None:
    name, body = NAMES[2], b"x" * 200
    answer = times(99, lambda _: stored(body, checksum="0123456789abcdef"))
    with ScriptedNode(answering(answer)) as node:
        with engine_for(node) as engine, pytest.raises(ChecksumError) as raised:
            engine.read(requests_for([name]))
        with engine_for(node, ReadConfig(verify=False, retry=QUICK)) as engine:
            assert engine.read(requests_for([name])) == [(name, body)]
    assert raised.value.attempts == QUICK.attempts
    assert "200 bytes with another checksum than the 0123456789abcdef announced" in str(raised.value)


@pytest.mark.parametrize("replies", [chunked(200, [b"ab", b"c"]), plain(200, b"abc"), until_close(200, b"abc")])
def test_a_length_that_was_not_listed_is_doubted_once(replies: bytes) -> None:
    """Without a checksum only the listed size can tell that something is missing; it may also be out of date."""
    name = NAMES[2]

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            wire.send(cluster_map({}) if asked.wants_map else replies)
            if b"Length" not in replies and b"chunked" not in replies:
                wire.end()
                return

    with ScriptedNode(talk) as node, engine_for(node) as engine:
        (request,) = requests_for([name])
        request.checksum = 0
        assert engine.read([request]) == [(name, b"abc")]
        assert len(node.objects()) == 2
        assert engine.read(requests_for([name], sized=False)) == [(name, b"abc")]
        assert len(node.objects()) == 3


def test_a_body_without_a_checksum_that_was_cut_is_read_again() -> None:
    name = NAMES[2]
    answer = times(1, lambda asked: plain(200, content_of(asked.name)[:-1]))
    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        assert engine.read(requests_for([name])) == samples([name])


def test_a_node_that_does_not_answer_in_time_is_asked_again() -> None:
    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            if asked.wants_map:
                wire.send(cluster_map({}))
            elif wire.number > 1:
                wire.send(serve(asked))

    retry = RetryPolicy(attempts=3, backoff=0.0, read_timeout=0.1)
    with ScriptedNode(talk) as node, engine_for(node, ReadConfig(in_flight=1, retry=retry)) as engine:
        assert engine.read(requests_for(NAMES[:1])) == samples(NAMES[:1])


def test_a_node_that_never_answers_is_given_up() -> None:
    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            if asked.wants_map:
                wire.send(cluster_map({}))

    retry = RetryPolicy(attempts=2, backoff=0.0, read_timeout=0.1)
    with (
        ScriptedNode(talk) as node,
        engine_for(node, ReadConfig(retry=retry)) as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for([NAMES[1]]))
    assert raised.value.causes == (f"{node.url}: no answer for 0.1 s",) * 2
    assert not isinstance(raised.value, TruncatedReadError)


@pytest.mark.parametrize("size", [200, 300_000])
@pytest.mark.parametrize("sized", [True, False])
def test_a_reply_that_trickles_in_is_asked_for_again(size: int, sized: bool) -> None:
    name, stop = name_of(1, size), threading.Event()

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            reply = cluster_map({}) if asked.wants_map else serve(asked)
            if not asked.wants_map and wire.number == trickling:
                for byte in reply:
                    wire.send(bytes([byte]))
                    if stop.wait(0.01):
                        return
            wire.send(reply)

    # A sign of life each 10 ms is none of silence.
    retry = RetryPolicy(attempts=3, backoff=0.0, read_timeout=0.2, min_rate=10_000)
    with (
        patch.object(transport, "_POLL", 0.05),
        ScriptedNode(talk) as node,
        engine_for(node, ReadConfig(retry=retry)) as engine,
    ):
        trickling = 0  # which is the request for the map or that for the object
        assert engine.read(requests_for([name], sized=sized)) == samples([name])
        trickling = node.connections
        assert engine.read(requests_for([name, name], sized=sized)) == samples([name, name])
        stop.set()


# refusals


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with (
        ScriptedNode(answering(times(3, lambda _: refusal(status, "come back later")))) as node,
        engine_for(node) as engine,
    ):
        assert engine.read(requests_for([NAMES[1]])) == samples([NAMES[1]])
        assert len(node.objects()) == 4


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_does_not_pass_is_given_up_with_all_causes(status: int) -> None:
    with (
        ScriptedNode(answering(times(99, lambda _: refusal(status, "come back later")))) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for([NAMES[1]]))
    assert type(raised.value) is ReadError
    assert raised.value.attempts == QUICK.attempts == len(node.objects())
    assert raised.value.causes == (f"{node.url} answered {status} come back later",) * 4
    assert raised.value.status_code == status


@pytest.mark.parametrize("status", [400, 405, 410, 416, 501])
def test_what_cannot_pass_is_not_tried_again(status: int) -> None:
    with (
        ScriptedNode(answering(times(99, lambda _: refusal(status, "never")))) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError, match=f"ais://bck/o 1/10.bin could not be read: .* answered {status} never"),
    ):
        engine.read(requests_for([NAMES[1]]))
    assert len(node.objects()) == 1


def test_a_body_of_an_error_need_not_be_json() -> None:
    answer = times(99, lambda _: plain(500, b"\xff<html>oops</html>" + b"x" * 10_000))
    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine, pytest.raises(ReadError) as raised:
        engine.read(requests_for([NAMES[1]]))
    assert "<html>oops</html>" in raised.value.causes[0]
    assert len(raised.value.causes[0]) < 500


@pytest.mark.parametrize("status", [401, 403])
def test_access_denied_names_the_object_and_hides_the_token(status: int) -> None:
    answer = times(99, lambda asked: refusal(status, f"bad token {asked.headers['authorization']}"))
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, token="top-secret") as engine,
        pytest.raises(AccessDeniedError) as raised,
    ):
        engine.read(requests_for([NAMES[1]]))
    assert len(node.objects()) == 1
    assert raised.value.status_code == status
    assert "ais://bck/o 1/10.bin" in str(raised.value)
    assert "AIS_AUTHN_TOKEN" in str(raised.value)
    assert "top-secret" not in str(raised.value)


def test_a_bucket_that_has_gone_is_not_an_object_that_has() -> None:
    answer = times(99, lambda _: refusal(404, 'bucket "ais://bck" does not exist'))
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node) as engine,
        pytest.raises(BucketNotFoundError, match="bucket ais://bck does not exist"),
    ):
        engine.read(requests_for([NAMES[1]]))
    assert len(node.objects()) == 1


@pytest.mark.parametrize(
    ("status", "message", "attempts"),
    [
        (500, "division by zero", 4),
        (501, "cannot use ETL", 1),
        (404, "resize-2 does not exist - try starting new ETL", 1),
        (422, "no image", 1),
    ],
)
def test_a_failing_etl_is_told_apart(status: int, message: str, attempts: int) -> None:
    line = b"GET /v1/objects/bck/o?provider=ais&etl_name=resize-2 HTTP/1.1"
    with (
        ScriptedNode(answering(times(99, lambda _: refusal(status, message)))) as node,
        engine_for(node) as engine,
        pytest.raises(TransformError, match=message) as raised,
    ):
        engine.read([Request(0, line, -1, None, "o", "ais://bck/")])
    assert raised.value.attempts == attempts
    assert "See whether the ETL 'resize-2' runs" in str(raised.value)


def test_an_object_or_bucket_missing_behind_an_etl_is_no_failure_of_the_etl() -> None:
    request = Request(0, b"GET /v1/objects/bck/o?etl_name=resize-2 HTTP/1.1", -1, None, "o", "ais://bck/")
    for message, kind in (
        ("ais://bck/o does not exist", ObjectNotFoundError),
        ('bucket "ais://bck" does not exist', BucketNotFoundError),
    ):
        answer = times(99, lambda _, message=message: refusal(404, message))  # type: ignore[misc]
        with ScriptedNode(answering(answer)) as node, engine_for(node) as engine, pytest.raises(kind):
            engine.read([request])
        request.trouble = None


# redirects


def test_a_redirect_is_followed_to_the_letter() -> None:
    with ScriptedNode(answering(serve)) as target:

        def answer(asked: Asked) -> bytes:
            if asked.wants_map:
                return cluster_map({})
            return redirect(f"{target.url}{asked.target}&pid=p1&utm=abc")

        with ScriptedNode(answering(answer)) as front, engine_for(front, token="secret") as engine:
            assert engine.read(requests_for(NAMES)) == samples(NAMES)
        assert all(asked.query == {"provider": "ais", "pid": "p1", "utm": "abc"} for asked in target.asked)
        assert all("authorization" not in asked.headers for asked in target.asked)


@pytest.mark.parametrize("location", ["", "nowhere", "ftp://node/x", "http://node:port/x", "/v1/objects/bck/o"])
def test_a_redirect_to_nowhere_is_given_up_in_the_end(location: str) -> None:
    answer = times(99, lambda _: redirect(location))
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError, match=re.escape(f"redirected to {location!r}")),
    ):
        engine.read(requests_for([NAMES[1]]))
    assert len(node.objects()) == QUICK.attempts


def test_redirects_in_circles_are_given_up() -> None:
    def answer(asked: Asked) -> bytes:
        return cluster_map({}) if asked.wants_map else redirect(f"{node.url}{asked.target.partition('&')[0]}&again=1")

    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.0))) as engine,
        pytest.raises(ReadError, match="redirected in circles"),
    ):
        engine.read(requests_for([NAMES[1]]))


# targets


def front_of(target: ScriptedNode, answer: Callable[[Asked], bytes] = serve) -> Callable[[Asked], bytes]:
    return lambda asked: map_of(t1=target) if asked.wants_map else answer(asked)


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: refusal(404, "t[t1]: ais://bck/o does not exist"),
        lambda _: refusal(500, "no data available"),
        lambda _: refusal(503, "starting"),
        lambda _: refusal(403, "direct target access denied"),
        lambda _: refusal(401, "token required"),
        lambda _: refusal(400, "never"),
        lambda _: b"",
        lambda _: b"no HTTP\r\n\r\n",
        lambda _: stored(b"other", checksum="0123456789abcdef"),
    ],
)
def test_what_a_target_cannot_do_the_proxy_can_without_a_pause(answer: Callable[[Asked], bytes]) -> None:
    # A pause would be a minute.
    config = ReadConfig(retry=RetryPolicy(attempts=2, backoff=60.0, backoff_max=60.0))
    with (
        ScriptedNode(answering(answer)) as target,
        ScriptedNode(answering(front_of(target))) as front,
        engine_for(front, config) as engine,
    ):
        assert engine.read(requests_for(NAMES, "t1")) == samples(NAMES)
        assert {asked.name for asked in front.objects()} == set(NAMES)


@pytest.mark.parametrize("status", [401, 403])
def test_once_a_target_has_denied_access_none_is_asked_again(status: int) -> None:
    with (
        ScriptedNode(answering(lambda _: refusal(status, "no"))) as target,
        ScriptedNode(answering(front_of(target))) as front,
        engine_for(front, ReadConfig(in_flight=1, retry=QUICK)) as engine,
    ):
        for _ in range(3):
            assert engine.read(requests_for(NAMES[:1], "t1")) == samples(NAMES[:1])
        assert len(target.asked) == 1


def test_a_target_that_has_gone_is_not_waited_for() -> None:
    with ScriptedNode(answering(serve)) as target:
        pass
    with ScriptedNode(answering(front_of(target))) as front:
        began = time.monotonic()
        for _ in range(10):
            with engine_for(front) as engine:
                assert engine.read(requests_for(NAMES, "t1")) == samples(NAMES)
        # The poll interval is a second: one missed look at what is to be sent, ten times, would show.
        assert time.monotonic() - began < 5


def test_an_object_that_neither_has_does_not_exist() -> None:
    name = NAMES[1]

    def missing(asked: Asked) -> bytes:
        return refusal(404, f"ais://bck/{asked.name} does not exist")

    with (
        ScriptedNode(answering(missing)) as target,
        ScriptedNode(answering(front_of(target, missing))) as front,
        engine_for(front) as engine,
        pytest.raises(ObjectNotFoundError) as raised,
    ):
        engine.read(requests_for([name], "t1"))
    assert (len(target.objects()), len(front.objects())) == (1, 1)
    assert raised.value.attempts == 2
    assert [cause.partition(" ")[0] for cause in raised.value.causes] == [target.url, front.url]
    assert "deleted since" in str(raised.value)


def test_a_404_while_the_target_is_away_is_not_final_and_names_the_loss() -> None:
    """A target has gone: its objects are missing until the cluster has repaired itself, or for good."""
    moves = 0

    def answer(asked: Asked) -> bytes:
        nonlocal moves
        if asked.wants_map:
            moves += 1
            urls = {"t1": gone.url, "t2": front.url} if moves == 1 else {"t2": front.url}
            return cluster_map(urls, version=moves)
        if asked.name == NAMES[1] or answered[asked.name] < 7:
            answered[asked.name] += 1
            return refusal(404, f"ais://bck/{asked.name} does not exist")
        return serve(asked)

    answered: Counter[str] = Counter()
    with ScriptedNode(answering(serve)) as gone:
        pass
    with (
        patch.object(cluster_module, "REFRESH_INTERVAL", 0.0),
        ScriptedNode(answering(answer)) as front,
    ):
        with engine_for(front) as engine:
            assert engine.read(requests_for([NAMES[2]], "t1")) == samples([NAMES[2]])
        moves = 0
        config = ReadConfig(retry=replace(QUICK, patience=0.2))
        with engine_for(front, config) as engine, pytest.raises(ObjectNotFoundError) as raised:
            engine.read(requests_for([NAMES[1]], "t1"))
    assert raised.value.attempts > QUICK.attempts
    assert "The target t[t1] that held it has left the cluster" in str(raised.value)


def test_a_404_from_where_a_map_of_a_moment_ago_led_is_not_final() -> None:
    """The map changes once more just after it was asked for."""
    version, tries = 1, 0

    def answer(asked: Asked) -> bytes:
        nonlocal version, tries
        if asked.wants_map:
            return cluster_map({}, version=version)
        if asked.name == NAMES[0]:
            return serve(asked)
        version, tries = 2, tries + 1
        return serve(asked) if tries > 2 else refusal(404, f"ais://bck/{asked.name} does not exist")

    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        assert engine._transport._cluster.refresh()
        assert engine.read(requests_for(NAMES[:2])) == samples(NAMES[:2])


def test_a_proxy_that_comes_back_in_time_goes_unnoticed() -> None:
    answer = times(3, lambda _: b"")
    with ScriptedNode(answering(answer)) as node, engine_for(node, ReadConfig(in_flight=1, retry=QUICK)) as engine:
        assert engine.read(requests_for(NAMES)) == samples(NAMES)


def test_nobody_there_is_an_error_with_the_reason() -> None:
    with ScriptedNode(answering(serve)) as gone:
        pass
    with engine_for(gone) as engine, pytest.raises(ReadError, match="cannot connect") as raised:
        engine.read(requests_for(NAMES))
    assert raised.value.attempts == QUICK.attempts
    assert isinstance(raised.value, ServerError)


@pytest.mark.parametrize("position", [0, 7, 19, 33])
def test_an_object_that_breaks_its_connection_is_the_only_one_to_blame(position: int) -> None:
    """It takes the replies to what was asked for along with it down, each time."""
    names = [name_of(number, 30) for number in range(60)]

    def talk(wire: Wire) -> None:
        for together in wire.bunches():
            if any(asked.name == names[position] for asked in together):
                wire.reset()
                return
            wire.send(b"".join(cluster_map({}) if asked.wants_map else serve(asked) for asked in together))

    for attempts in (2, 3, 6):
        retry = RetryPolicy(attempts=attempts, backoff=0.01, backoff_max=0.01)
        with ScriptedNode(talk) as node, engine_for(node, ReadConfig(in_flight=20, retry=retry)) as engine:
            found: list[Sample] = []
            with pytest.raises(ReadError) as raised:
                collect(engine.stream(requests_for(names)), found)
        assert raised.value.name == f"ais://bck/{names[position]}"
        assert found == samples(names[:position])
