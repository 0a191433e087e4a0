"""Replies that do not belong to their requests, or not to AIStore: what is handed out is the object, or an error is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import ObjectNotFoundError, ReadError
from aistorch.fetch import engine as engine_module
from aistorch.fetch import transport
from aistorch.fetch.engine import Sample
from aistorch.fetch.request import Request
from tests.support.node_engine import QUICK, content_of, engine_for, map_of, name_of, requests_for, serve
from tests.support.replies import cluster_map, page, plain, redirect, refusal, stored, until_close
from tests.support.scripted_node import Asked, ScriptedNode, Wire, answering

# Two of the same content, and one above the size from which bodies are received in another way.
NAMES = [
    name_of(number, size) for number, size in enumerate([0, 10, 200, 70_000, 0, 300_000, 4096, 66_000, 100, 300_000])
]
PATIENT = RetryPolicy(attempts=20, backoff=0.0, read_timeout=0.2)
INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nDate: Sat, 21 Nov 2026 07:00:00 GMT\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 40\r\n\r\n",
]


def collect(runs: Iterator[list[Sample]], found: list[Sample]) -> None:
    for run in runs:
        found += run


def samples(names: list[str]) -> list[tuple[str, bytes]]:
    return [(name, content_of(name)) for name in names]


def alone(asked: Asked) -> bytes:
    return cluster_map({}) if asked.wants_map else serve(asked)


def always(reply: bytes | Callable[[Asked], bytes]) -> Callable[[Asked], bytes]:
    """A proxy without targets that gives one answer."""

    def answer(asked: Asked) -> bytes:
        if asked.wants_map:
            return cluster_map({})
        return reply if isinstance(reply, bytes) else reply(asked)

    return answer


# interim replies


@pytest.mark.parametrize("interim", [*INTERIM, b"".join(INTERIM)])
def test_interim_replies_are_skipped(interim: bytes) -> None:
    with (
        ScriptedNode(answering(lambda asked: interim + alone(asked))) as node,
        engine_for(node, ReadConfig(retry=RetryPolicy(attempts=1))) as engine,
    ):
        assert engine.read(requests_for(NAMES)) == samples(NAMES)
        assert engine.read(requests_for(NAMES, sized=False)) == samples(NAMES)
        assert len(node.objects()) == 2 * len(NAMES)


def test_a_change_of_the_protocol_ends_the_connection() -> None:
    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            change = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" if wire.number < 2 else b""
            wire.send(cluster_map({}) if asked.wants_map else change + serve(asked))

    with ScriptedNode(talk) as node, engine_for(node, ReadConfig(in_flight=1, retry=QUICK)) as engine:
        assert engine.read(requests_for(NAMES)) == samples(NAMES)


# replies at the wrong place

BEFORE = {"foreign": page(b"<html>"), "error": refusal(500, "no")}
disorders = st.lists(
    st.tuples(st.sampled_from(["extra", "missing", "doubled", "swapped", "foreign", "error"]), st.integers(0, 12)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40)
@given(script=st.lists(disorders, max_size=5), in_flight=st.sampled_from([1, 8, 40]), in_order=st.booleans())
def test_no_order_of_replies_gives_an_object_anothers_bytes(
    script: list[list[tuple[str, int]]], in_flight: int, in_order: bool
) -> None:
    """On the first connections replies are put in, left out, doubled or swapped; the others are as they should be."""

    def talk(wire: Wire) -> None:
        odd = {place: kind for kind, place in script[wire.number]} if wire.number < len(script) else {}
        held, count = b"", -1
        for asked in wire.requests():
            if asked.wants_map:
                wire.send(cluster_map({}))
                continue
            count += 1
            kind, reply = odd.get(count, ""), serve(asked)
            if kind == "swapped":
                held = reply
                continue
            wire.send(
                BEFORE.get(kind, b"") + (b"" if kind == "missing" else reply * (2 if kind == "doubled" else 1)) + held
            )
            held = b""

    config = ReadConfig(in_flight=in_flight, retry=PATIENT)
    with patch.object(transport, "_POLL", 0.05), ScriptedNode(talk) as node, engine_for(node, config) as engine:
        found = [sample for run in engine.stream(requests_for(NAMES), in_order) for sample in run]
        assert sorted(found) == sorted(samples(NAMES))
        assert engine.read(requests_for(NAMES)) == samples(NAMES)


@pytest.mark.parametrize(("first", "second"), [(2, 6), (5, 9), (3, 7)])
def test_an_object_in_the_place_of_another_each_time_is_an_error_that_names_both(first: int, second: int) -> None:
    other = {NAMES[first]: NAMES[second], NAMES[second]: NAMES[first]}
    answer = always(lambda asked: serve(asked, content_of(other.get(asked.name, asked.name))))
    config = ReadConfig(retry=RetryPolicy(attempts=3, backoff=0.001))
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, config) as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for(NAMES))
    assert raised.value.name == f"ais://bck/{NAMES[first]}"
    assert f"the bytes of ais://bck/{NAMES[second]} came" in str(raised.value)


def test_a_range_of_another_object_is_not_taken() -> None:
    """Of the same size, so that nothing but the checksum of the whole tells them apart."""
    names = [name_of(5, 300_000), name_of(9, 300_000)]
    seen: set[str] = set()

    def answer(asked: Asked) -> bytes:
        if asked.wants_map:
            return cluster_map({})
        wrong = asked.name == names[0] and asked.name not in seen
        seen.add(asked.name)
        return serve(asked, content_of(names[1]) if wrong else None)

    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        requests = [request.slice(1000, 5000) for request in requests_for(names)]
        assert engine.read(requests) == [(name, content_of(name)[1000:5000]) for name in names]
        assert len(node.objects()) >= 3


# objects that were overwritten after they were listed


@pytest.mark.parametrize("size", [0, 5, 200, 5000, 300_000])
def test_an_overwritten_object_is_confirmed_by_a_request_of_its_own(size: int) -> None:
    name, now = NAMES[2], b"n" * size
    with (
        ScriptedNode(answering(always(lambda asked: serve(asked, now if asked.name == name else None)))) as node,
        engine_for(node, ReadConfig(retry=RetryPolicy(attempts=1))) as engine,
    ):
        found = dict(engine.read(requests_for(NAMES)))
        assert found == dict(samples(NAMES)) | {name: now}
        assert sum(asked.name == name for asked in node.objects()) == 2


def test_an_overwritten_label_may_be_that_of_another_object() -> None:
    names = [name_of(number, 10) for number in range(4)]
    with (
        ScriptedNode(answering(always(lambda asked: serve(asked, content_of(names[3]))))) as node,
        engine_for(node) as engine,
    ):
        assert engine.read(requests_for(names)) == [(name, content_of(names[3])) for name in names]


def test_a_bucket_that_was_overwritten_as_a_whole_is_read_in_two_requests_an_object() -> None:
    names = [name_of(number, 100) for number in range(400)]
    with (
        ScriptedNode(answering(always(lambda asked: serve(asked, asked.name.encode() * 10)))) as node,
        engine_for(node) as engine,
    ):
        assert engine.read(requests_for(names)) == [(name, name.encode() * 10) for name in names]
        # Besides those that were behind the first ones in their pipelines.
        assert len(node.objects()) < 2 * len(names) + 300


def test_an_object_that_is_another_one_each_time_is_given_up() -> None:
    count = 0

    def changing(asked: Asked) -> bytes:
        nonlocal count
        count += 1
        return serve(asked, b"%d" % count)

    with (
        ScriptedNode(answering(always(changing))) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError, match="1 bytes came that are not the 200 listed"),
    ):
        engine.read(requests_for([NAMES[2]]))


# replies without a checksum


def test_a_body_without_a_checksum_is_held_against_the_listed_one() -> None:
    answer = always(lambda asked: plain(200, content_of(asked.name)))
    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        assert engine.read(requests_for(NAMES)) == samples(NAMES)
        assert len(node.objects()) == len(NAMES)


def test_another_body_without_a_checksum_is_believed_from_two_nodes_and_not_from_one() -> None:
    name, reply = NAMES[2], plain(200, b"x" * 200)
    with ScriptedNode(answering(lambda _: reply)) as target:
        for direct in (True, False):
            front = always(reply) if not direct else lambda asked: map_of(t1=target) if asked.wants_map else reply
            with ScriptedNode(answering(front)) as proxy, engine_for(proxy) as engine:
                if direct:
                    assert engine.read(requests_for([name], "t1")) == [(name, b"x" * 200)]
                else:
                    with pytest.raises(ReadError, match="200 bytes without a checksum, which are not those listed"):
                        engine.read(requests_for([name], "t1"))


# answers of something else than AIStore

PAGE = b"\n  <html><title>Please log in</title>\n<body>" + b"x" * 500 + b"</html>"


@pytest.mark.parametrize(
    "answer", [page(PAGE), page(PAGE, 206), page(PAGE * 1000), until_close(203, PAGE), page(b"")], ids=range(5)
)
@pytest.mark.parametrize("sized", [True, False])
def test_a_page_of_a_gateways_is_an_error_that_quotes_it(answer: bytes, sized: bool) -> None:
    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            wire.send(cluster_map({}) if asked.wants_map else answer)
            if b"Content-Length" not in answer:
                wire.end()
                return

    with (
        ScriptedNode(talk) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for([NAMES[2]], sized=sized))
    assert raised.value.name == f"ais://bck/{NAMES[2]}"
    if len(answer) > 100 and b" 203 " not in answer:
        assert "text/html, '<html><title>Please log in</title>'" in str(raised.value)
        assert "login page" in str(raised.value)


def test_a_page_in_a_targets_place_is_not_the_end() -> None:
    with (
        ScriptedNode(answering(lambda _: page(PAGE))) as target,
        ScriptedNode(answering(lambda asked: map_of(t1=target) if asked.wants_map else serve(asked))) as front,
        engine_for(front) as engine,
    ):
        assert engine.read(requests_for(NAMES, "t1")) == samples(NAMES)


def test_what_an_etl_makes_needs_no_header_of_aistores() -> None:
    line = b"GET /v1/objects/bck/o?provider=ais&etl_name=resize-2 HTTP/1.1"
    with ScriptedNode(answering(always(page(b"made")))) as node, engine_for(node) as engine:
        assert engine.read([Request(0, line, -1, None, "o", "ais://bck/")]) == [("o", b"made")]


def test_a_page_that_shows_the_token_does_not_show_it_in_the_error() -> None:
    answer = always(lambda asked: page(asked.headers["authorization"].encode()))
    with (
        ScriptedNode(answering(answer)) as node,
        engine_for(node, token="top-secret") as engine,
        pytest.raises(ReadError) as raised,
    ):
        engine.read(requests_for([NAMES[2]]))
    assert "top-secret" not in str(raised.value)
    assert "Bearer (token)" in str(raised.value)


# redirects


def test_a_redirect_to_a_host_that_no_node_has_is_not_followed() -> None:
    with ScriptedNode(answering(serve)) as elsewhere:
        url = elsewhere.url.replace("127.0.0.1", "localhost")
        answer = always(lambda asked: redirect(f"{url}{asked.target}"))
        with (
            ScriptedNode(answering(answer)) as front,
            engine_for(front, token="secret") as engine,
            pytest.raises(ReadError, match=f"redirected to {url}, no node of the cluster"),
        ):
            engine.read(requests_for([NAMES[1]]))
        assert elsewhere.asked == []


def test_a_redirect_to_a_host_of_the_map_of_a_moment_later_is_followed_without_the_token() -> None:
    with ScriptedNode(answering(serve)) as joined:
        url = joined.url.replace("127.0.0.1", "localhost")
        version = 1

        def answer(asked: Asked) -> bytes:
            nonlocal version
            if asked.wants_map:
                return cluster_map({"t1": url} if version > 1 else {}, version=version)
            version = 2
            return redirect(f"{url}{asked.target}")

        with ScriptedNode(answering(answer)) as front, engine_for(front, token="secret") as engine:
            assert engine.read(requests_for(NAMES)) == samples(NAMES)
        assert all("authorization" not in asked.headers for asked in joined.asked)


# refusals


def test_a_404_that_may_be_anothers_is_asked_for_once_more() -> None:
    seen: set[str] = set()

    def answer(asked: Asked) -> bytes:
        if asked.wants_map:
            return cluster_map({})
        if asked.name == NAMES[3] or asked.name in seen:
            return serve(asked) if asked.name != NAMES[3] else refusal(404, "ais://bck/o 3/70000.bin does not exist")
        seen.add(asked.name)
        return refusal(404, "ais://bck/another does not exist")

    with ScriptedNode(answering(answer)) as node, engine_for(node) as engine:
        assert engine.read(requests_for(NAMES[:3])) == samples(NAMES[:3])
        asked = len(node.objects())
        with pytest.raises(ObjectNotFoundError):
            engine.read(requests_for([NAMES[3]]))
        assert len(node.objects()) == asked + 1


# sizes and lies


def test_a_reply_far_larger_than_listed_is_not_received() -> None:
    head = stored(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (3 << 30))
    endless = b"HTTP/1.1 200 OK\r\nAis-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for reply, text in (
        (head, f"{3 << 30} bytes were announced where 200 were listed"),
        (endless + b"1000\r\n" + b"x" * 4096 + b"\r\n", "bytes came where 200 were listed"),
    ):
        with (
            ScriptedNode(answering(always(reply))) as node,
            patch("aistorch.fetch.request.MARGIN", 1000),
            engine_for(node) as engine,
            pytest.raises(ReadError, match=text),
        ):
            engine.read(requests_for([NAMES[2]]))


@pytest.mark.parametrize("framing", [b"Content-Length: 99999999999", b"X: y", b"Transfer-Encoding: chunked"])
def test_of_an_endless_error_text_only_the_beginning_is_taken(framing: bytes) -> None:
    text = b"4000\r\n" + b"e" * 0x4000 + b"\r\n" if b"chunked" in framing else b"e" * 0x4000

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            if asked.wants_map:
                wire.send(cluster_map({}))
                continue
            wire.send(b"HTTP/1.1 500 Oops\r\n" + framing + b"\r\n\r\n")
            for _ in range(8):
                wire.send(text)

    with ScriptedNode(talk) as node, engine_for(node) as engine, pytest.raises(ReadError, match="answered 500 eee"):
        engine.read(requests_for([NAMES[2]]))


@pytest.mark.parametrize(
    "lie",
    [
        stored(b"abc").replace(b"Length: 3", b"Length: " + b"9" * 5000),
        stored(b"abc").replace(b"Length: 3", b"Length: 999999999999999999"),
        plain(206, b"abc", "Content-Range: bytes 0-2/" + "9" * 5000),
        plain(206, b"abc", "Content-Range: bytes 0-2"),
        plain(206, b"abc", "Content-Range: bytes ²-²/²"),
        plain(206, b"abc"),
        plain(404, b"").replace(b"Length: 0", b"Length: " + b"9" * 5000),
        b"HTTP/1.1 200 OK\r\nAis-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nAis-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nAis-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n",
    ],
    ids=range(10),
)
@pytest.mark.parametrize("sized", [True, False])
def test_lies_in_numbers_are_read_errors_after_which_the_other_attempts_are_made(lie: bytes, sized: bool) -> None:
    count = 0

    def answer(asked: Asked) -> bytes:
        nonlocal count
        count += asked.name == NAMES[2]
        return lie if asked.name == NAMES[2] and (count < 4 or not mends) else serve(asked)

    for mends in (True, False):
        count = 0
        with ScriptedNode(answering(always(answer))) as node, engine_for(node) as engine:
            if mends:
                assert engine.read(requests_for(NAMES, sized=sized)) == samples(NAMES)
            else:
                found: list[Sample] = []
                with pytest.raises(ReadError):
                    collect(engine.stream(requests_for(NAMES, sized=sized)), found)
                assert found == samples(NAMES[:2])


def test_an_object_larger_than_memory_is_an_error_that_tells_the_size() -> None:
    huge = stored(b"abc").replace(b"Length: 3", b"Length: %d" % (1 << 58))
    with (
        ScriptedNode(answering(always(huge))) as node,
        engine_for(node) as engine,
        pytest.raises(ReadError, match=f"{1 << 58} bytes were announced, more than there is memory for"),
    ):
        engine.read(requests_for([NAMES[2]], sized=False))


@pytest.mark.parametrize("part", [100_000])
def test_ranges_of_an_overwritten_object_are_read_anew_as_a_whole(part: int) -> None:
    name, now = name_of(1, 300_000), b"n" * 300_000
    with (
        ScriptedNode(answering(always(lambda asked: serve(asked, now)))) as node,
        engine_for(node, ReadConfig(split_from=part, retry=QUICK)) as engine,
        patch.object(engine_module, "PART_SIZE", part),
    ):
        assert engine.read(requests_for([name])) == [(name, now)]
