"""Listing: what is asked for, what is made of odd answers, and what is said when there is none."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from aistore.sdk import AISSource, Bucket, Client
from aistore.sdk.obj.object import Object

from aistorch.config import RetryPolicy
from aistorch.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    EmptyListingWarning,
    EndpointUnreachableError,
    ServerError,
    SlowReadWarning,
)
from aistorch.index import pause
from aistorch.index.bucket_listing import EARLY
from aistorch.index.build import build_index
from aistorch.index.entries import TargetCodes, decode
from aistorch.index.listing import list_pages
from aistorch.sources.resolve import Selection
from tests.unit.index.scripted_server import Answer, ScriptedServer, page, refusal


def read_ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "aistorch-read-ahead"]


def test_what_an_entry_tells() -> None:
    entries: list[dict[str, Any]] = [
        {"n": "full", "s": 7, "cs": "c169567b5b08ba62", "t": "t[abc]:mp[/d/1, sda]", "f": 64},
        {"n": "other-disk", "cs": "d41d8cd98f00b204e9800998ecf8427e", "t": "t[abc]:mp[/d/2, sdb]"},
        {"n": "other-target", "cs": "not-hexadecimal!", "t": "t[xyz]:mp[/d/2, sdb]"},
        {"n": "not-cached", "s": 9},
        {"n": "blanks", "cs": "c169567b 5b08ba6", "t": "somewhere"},
    ]
    index = decode(entries, TargetCodes(), 4)
    assert index.names() == ["full", "other-disk", "other-target", "not-cached", "blanks"]
    assert index.sizes.tolist() == [7, 0, 0, 9, 0]
    assert [index.checksum(i) for i in range(5)] == [0xC169567B5B08BA62, None, None, None, None]
    assert [index.target(i) for i in range(5)] == ["abc", "abc", "xyz", None, None]
    assert index.sources.tolist() == [4] * 5


def test_directories_and_misplaced_copies_are_no_objects() -> None:
    entries: list[dict[str, Any]] = [{"n": "d/", "f": 256}, {"n": "a", "f": 64}, {"n": "copy", "f": 64 | 3}, {"n": "b"}]
    assert decode(entries, TargetCodes(), 0).names() == ["a", "b"]


def test_pages_without_entries_are_passed_over() -> None:
    pages = {"": page([{"n": "a"}], "1"), "1": page(None, "2"), "2": page([], "3"), "3": page([{"n": "b"}])}
    with ScriptedServer(lambda value: pages[value["continuation_token"]]) as server:
        found = [part.names() for part in list_pages(Selection(server.bucket("aws")), 0)]
    assert found == [["a"], ["b"]]
    assert [value["uuid"] for value in server.values] == ["", "uuid-1", "uuid-1", "uuid-1"]


def test_names_that_a_server_repeats_come_once() -> None:
    pages = {"": page([{"n": "a"}, {"n": "b"}], "b"), "b": page([{"n": "a"}, {"n": "b"}, {"n": "c"}])}
    with ScriptedServer(lambda value: pages[value["continuation_token"]]) as server:
        assert build_index([Selection(server.bucket())]).names() == ["a", "b", "c"]


def test_a_star_at_the_end_of_a_prefix_is_a_letter_like_any_other() -> None:
    with ScriptedServer(lambda value: page([{"n": "a*b"}, {"n": "ab"}])) as server:
        assert build_index([Selection(server.bucket("gcp"), "a*")]).names() == ["a*b"]


def test_what_the_early_page_had_comes_once_and_what_it_lacked_is_not_lost() -> None:
    pages = {EARLY: page([{"n": "a"}, {"n": "c"}], "c"), 0: page([{"n": "a"}, {"n": "b"}, {"n": "c"}, {"n": "d"}])}
    with ScriptedServer(lambda value: pages[value["pagesize"]]) as server:
        assert [part.names() for part in list_pages(Selection(server.bucket()), 0)] == [["a", "c"], ["b", "d"]]


def test_the_request_carries_what_the_client_knows() -> None:
    with ScriptedServer(lambda value: page([])) as server:
        list(list_pages(Selection(server.bucket(token="secret"), "a/"), 0))
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert server.headers[0]["Accept"] == "application/msgpack"
    assert server.values[0]["prefix"] == "a/"
    assert server.values[0]["props"] == "name,size,checksum,location"


def test_the_next_page_is_asked_for_while_one_is_used() -> None:
    asked = threading.Event()

    def answer(value: dict[str, Any]) -> Answer:
        if value["pagesize"] == EARLY:
            return page([{"n": "a"}], "a")
        if not value["continuation_token"]:
            asked.set()
            return page([{"n": "a"}, {"n": "b"}], "b")
        return page([{"n": "c"}])

    with ScriptedServer(answer) as server:
        pages = list_pages(Selection(server.bucket()), 0)
        assert next(pages).names() == ["a"]
        assert asked.wait(10)
        assert next(pages).names() == ["b"]
        assert next(pages).names() == ["c"]
        assert next(pages, None) is None
        assert len(server.values) == 3
    assert read_ahead_threads() == []


def test_no_more_than_one_page_is_asked_for_ahead_and_none_after_closing() -> None:
    with ScriptedServer(lambda value: page([{"n": "a"}], "more")) as server:
        pages = list_pages(Selection(server.bucket()), 0)
        next(pages)
        pages.close()  # type: ignore[attr-defined]
        assert read_ahead_threads() == []
        assert len(server.values) == 2


def test_an_error_on_a_later_page_is_raised() -> None:
    def answer(value: dict[str, Any]) -> Answer:
        return refusal(400, "gone wrong") if value["continuation_token"] else page([{"n": "a"}], "a")

    with ScriptedServer(answer) as server:
        pages = list_pages(Selection(server.bucket()), 0)
        assert next(pages).names() == ["a"]
        with pytest.raises(ServerError, match=r"ais://bck could not be listed at .*: gone wrong \(status 400\)"):
            next(pages)


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (
            refusal(404, 'bucket "ais://bck" does not exist'),
            BucketNotFoundError,
            "check its name, provider and namespace",
        ),
        (refusal(404, "AWS backend is missing"), BucketNotFoundError, r"\(AWS backend is missing\)"),
        (refusal(401, "token required"), AccessDeniedError, "set AIS_AUTHN_TOKEN or give Client"),
        (refusal(403, "no permission"), AccessDeniedError, "lacks that permission"),
        (refusal(500, "disk on fire"), ServerError, "could not be listed"),
        ((400, "text/plain", b"not json"), ServerError, r"not json \(status 400\)"),
        ((200, "text/html", b"<html>welcome</html>"), ServerError, "does not answer as AIStore does"),
        ((200, "application/json", b'{"some": "thing"}'), ServerError, "does not answer as AIStore does"),
    ],
)
def test_refusals_name_bucket_endpoint_and_remedy(answer: Answer, error: type[Exception], told: str) -> None:
    with ScriptedServer(lambda value: answer) as server:
        bucket = server.bucket(token="secret-token")
        with pytest.raises(error, match=told) as raised:
            next(list_pages(Selection(bucket), 0))
    text = str(raised.value)
    assert "ais://bck" in text
    assert server.endpoint in text
    assert "secret" not in repr(raised.value) + text
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy)) == (error, text)


def test_a_token_that_the_server_repeats_is_not_told() -> None:
    answer = refusal(401, "invalid token secret-token")
    with ScriptedServer(lambda value: answer) as server, pytest.raises(AccessDeniedError) as raised:
        next(list_pages(Selection(server.bucket(token="secret-token")), 0))
    assert "secret" not in str(raised.value)


def test_an_endpoint_where_nothing_answers_is_found_out_soon() -> None:
    with socket.socket() as taken:  # bound, but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(
            EndpointUnreachableError, match=rf"nothing answers at {endpoint} .*client_url, AIS_ENDPOINT"
        ):
            next(list_pages(Selection(Client(endpoint).bucket("b")), 0))
        assert time.monotonic() - begun < 5


def test_an_unknown_host_and_credentials_in_the_endpoint() -> None:
    client = Client("http://user:password@no-such-host.invalid:8080")
    with pytest.raises(
        EndpointUnreachableError, match=r"nothing answers at http://no-such-host\.invalid:8080"
    ) as raised:
        next(list_pages(Selection(client.bucket("b")), 0))
    assert "password" not in str(raised.value)


def test_an_empty_selection_is_warned_of_with_its_prefix() -> None:
    def answer(value: dict[str, Any]) -> Answer:
        return page([{"n": "b/x"}] if value["prefix"] == "b/" else [])

    with ScriptedServer(answer) as server:
        bucket = server.bucket()
        with pytest.warns(EmptyListingWarning, match="ais://bck holds no names beginning with 'a/'") as warned:
            index = build_index([Selection(bucket, "a/"), Selection(bucket, "b/")])
        assert len(warned) == 1
        assert index.names() == ["b/x"]
        assert index.sources.tolist() == [1]
        with pytest.warns(EmptyListingWarning, match="ais://bck holds no objects"):
            assert len(build_index([Selection(bucket)])) == 0


def test_a_group_is_listed_without_a_request() -> None:
    bucket = Client("http://127.0.0.1:1").bucket("b")
    group = bucket.objects(obj_names=["x/1", "y/1", "x/2", "ü"])
    index = build_index([Selection(group, "x/"), Selection(group)])
    assert index.names() == ["x/1", "x/2", "x/1", "y/1", "x/2", "ü"]
    assert index.sources.tolist() == [0, 0, 1, 1, 1, 1]
    assert set(index.sizes.tolist()) == {-1}
    assert index.checksum(0) is None
    assert index.foreign == {}


def test_a_long_group_comes_in_pages() -> None:
    group = Client("http://127.0.0.1:1").bucket("b").objects(obj_template="n-{00000..24999}")
    assert [len(part) for part in list_pages(Selection(group), 0)] == [10_000, 10_000, 5_000]


class Folder(AISSource):
    """A source of its own kind."""

    def __init__(self, bucket: Bucket, held: list[str]) -> None:
        self.bucket, self.held = bucket, held

    @property
    def client(self) -> Any:
        return self.bucket.client

    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Iterable[Object]:
        return (self.bucket.object(name) for name in self.held if name.startswith(prefix))

    def list_urls(self, prefix: str = "", etl: Any = None) -> Iterable[str]:
        return ()


def test_a_source_of_another_kind_lists_itself_and_its_objects_are_kept() -> None:
    folder = Folder(Client("http://127.0.0.1:1").bucket("b"), [f"a{i}" for i in range(1500)] + ["b"])
    index = build_index([Selection(folder, "a")])
    assert index.names() == folder.held[:-1]
    assert index.foreign[1499].name == "a1499"
    assert index.sizes[0] == -1


def test_a_bucket_that_lists_in_its_own_way_is_of_another_kind() -> None:
    class Filtered(Bucket):
        def list_all_objects_iter(self, prefix: str = "", props: str = "", start_after: str = "") -> Iterable[Object]:
            return [self.object("only-this")]

    client = Client("http://127.0.0.1:1").bucket("b").client
    assert build_index([Selection(Filtered("b", client))]).names() == ["only-this"]


CALL_FAILED = '{"tcode":"ErrFailedTo","message":"p[p1]: failed to call t[t1] list: connection refused","status":400}'


def test_a_listing_is_waited_for_while_a_target_is_briefly_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "RetryPolicy", lambda: RetryPolicy(backoff=0.001))
    answers = iter([refusal(400, CALL_FAILED), refusal(400, '{"message":"no storage targets in the cluster"}')] * 3)
    with ScriptedServer(lambda _: next(answers, page([{"n": "a"}]))) as server:
        assert build_index([Selection(server.bucket())]).names() == ["a"]
        assert len(server.values) == 7


def test_a_listing_that_stays_refused_is_an_error_and_told_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "RetryPolicy", lambda: RetryPolicy(backoff=0.01, backoff_max=0.01, patience=0.2))
    monkeypatch.setattr(pause, "TELLING_AFTER", 0.05)
    with (
        ScriptedServer(lambda _: refusal(400, CALL_FAILED)) as server,
        pytest.warns(SlowReadWarning, match="the listing of ais://.* has been waited for"),
        pytest.raises(ServerError, match="failed to call"),
    ):
        build_index([Selection(server.bucket())])


def test_a_refusal_for_good_is_told_at_once() -> None:
    with ScriptedServer(lambda _: refusal(400, "invalid prefix")) as server, pytest.raises(ServerError):
        build_index([Selection(server.bucket())])
    assert len(server.values) == 1


def test_listings_go_past_the_proxies_of_the_environment_as_reads_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ScriptedServer(lambda _: page([{"n": "a"}])) as server:
        assert build_index([Selection(server.bucket())]).names() == ["a"]
