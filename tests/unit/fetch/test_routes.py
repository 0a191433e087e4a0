"""Request lines: names encoded as the SDK encodes them, sizes and targets as listed."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from aistore.sdk import Bucket, Client
from aistore.sdk.etl import ETLConfig
from aistore.sdk.namespace import Namespace
from aistore.sdk.provider import Provider
from aistore.sdk.types import Smap
from hypothesis import given
from hypothesis import strategies as st

from aistorch.fetch.address import Address
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.request import Request
from aistorch.fetch.routes import Route, requests_for
from aistorch.fetch.settings import ClusterSettings
from aistorch.index.object_index import ObjectIndex
from tests.support.replies import cluster_map

CLIENT = Client("http://127.0.0.1:1")
ODD_NAMES = ["a b", "100%25", "a+b", "a#b", "a?b=c&d", "é/日.jpg", "a//b", "~x", "\x01", "'\"[]{}|\\^`<>,;:@!$*()="]
# A name in a bucket is any text in UTF-8.
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.sampled_from(ODD_NAMES)


def cluster(*targets: str) -> Cluster:
    known = Cluster(ClusterSettings(Address("127.0.0.1", 1)))
    reply = cluster_map({target: f"http://127.0.0.1:{port}" for port, target in enumerate(targets, 2)})
    known._adopt(Smap.model_validate_json(reply.partition(b"\r\n\r\n")[2]))
    return known


def lines(requests: list[Request]) -> list[str]:
    return [request.line.decode() for request in requests]


@given(st.lists(names, max_size=20))
def test_names_are_quoted_as_the_standard_library_does(listed: list[str]) -> None:
    route = Route.of_bucket(CLIENT.bucket("bck"))
    made = list(requests_for(ObjectIndex.from_names(listed, sizes=1), [route], cluster()))
    assert lines(made) == [f"GET /v1/objects/bck/{quote(name)}?provider=ais HTTP/1.1" for name in listed]
    assert [request.name for request in made] == listed
    assert [request.url for request in made] == [f"ais://bck/{name}" for name in listed]


@given(names)
def test_a_quoted_name_comes_back(name: str) -> None:
    route = Route.of_bucket(CLIENT.bucket("bck"))
    (request,) = requests_for(ObjectIndex.from_names([name], sizes=1), [route], cluster())
    path = request.line.decode("ascii").split(" ")[1].partition("?")[0]
    assert unquote(path) == f"/v1/objects/bck/{name}"


@pytest.mark.parametrize(
    ("bucket", "query", "label", "uname"),
    [
        (CLIENT.bucket("b"), "provider=ais", "ais://b/o", "ais/@#/b/"),
        (CLIENT.bucket("b", Provider.AMAZON), "provider=aws", "aws://b/o", "aws/@#/b/"),
        (CLIENT.bucket("b", "gs"), "provider=gcp", "gcp://b/o", "gcp/@#/b/"),
        (
            CLIENT.bucket("b", namespace=Namespace(uuid="u1", name="n1")),
            "provider=ais&namespace=%40u1%23n1",
            "ais://@u1#n1/b/o",
            "ais/@u1#n1/b/",
        ),
        (
            CLIENT.bucket("b", namespace=Namespace(name="n1")),
            "provider=ais&namespace=%40%23n1",
            "ais://@#n1/b/o",
            "ais/@#n1/b/",
        ),
    ],
)
def test_buckets_of_all_kinds(bucket: Bucket, query: str, label: str, uname: str) -> None:
    route = Route.of_bucket(bucket)
    (request,) = requests_for(ObjectIndex.from_names(["o"], sizes=1), [route], cluster())
    assert request.line.decode() == f"GET /v1/objects/b/o?{query} HTTP/1.1"
    assert request.url == label
    assert route.uname == uname.encode()
    assert route.direct


@pytest.mark.parametrize(
    ("etl", "query"),
    [
        (ETLConfig("resize"), "provider=ais&etl_name=resize"),
        (ETLConfig("resize", args="a b&c"), "provider=ais&etl_name=resize&etl_args=a+b%26c"),
        (ETLConfig("resize", args={"w": 1}), "provider=ais&etl_name=resize&etl_args=%7B%22w%22%3A1%7D"),
    ],
)
def test_an_etl_runs_behind_the_proxy_and_may_change_sizes(etl: ETLConfig, query: str) -> None:
    page = ObjectIndex.from_names(["a b", "c"], sizes=[5, 6], targets=0, target_ids=["t1"])
    made = list(requests_for(page, [Route.of_bucket(CLIENT.bucket("b"), etl)], cluster("t1")))
    assert lines(made) == [f"GET /v1/objects/b/{name}?{query} HTTP/1.1" for name in ("a%20b", "c")]
    assert [(request.size, request.target) for request in made] == [(-1, None), (-1, None)]
    assert [request.expected for request in made] == [5, 6]  # what the byte budget takes them for


def test_an_etl_without_a_name_is_none() -> None:
    route = Route.of_bucket(CLIENT.bucket("b"), ETLConfig())
    assert route.direct
    assert route.after == b"?provider=ais HTTP/1.1"


def test_a_page_of_several_buckets_keeps_its_order() -> None:
    routes = [Route.of_bucket(CLIENT.bucket("first")), Route.of_bucket(CLIENT.bucket("second", "aws"))]
    page = ObjectIndex.from_names(
        ["a", "ü", "c", "d"],
        sizes=[1, 2, 3, -1],
        sources=[1, 0, 0, 1],
        targets=[0, 1, -1, 0],
        target_ids=["t1", "t2"],
    )
    made = list(requests_for(page, routes, cluster("t1", "t2"), first_position=7))
    assert [request.url for request in made] == ["aws://second/a", "ais://first/ü", "ais://first/c", "aws://second/d"]
    assert [line.split(" ")[1] for line in lines(made)] == [
        "/v1/objects/second/a?provider=aws",
        "/v1/objects/first/%C3%BC?provider=ais",
        "/v1/objects/first/c?provider=ais",
        "/v1/objects/second/d?provider=aws",
    ]
    assert [request.position for request in made] == [7, 8, 9, 10]
    assert [request.size for request in made] == [1, 2, 3, -1]
    assert [request.target for request in made][:2] == ["t1", "t2"]


@given(listed=st.lists(names, min_size=1, max_size=10), known=st.data())
def test_targets_that_were_not_listed_are_computed(listed: list[str], known: st.DataObject) -> None:
    present = cluster("t1", "t2", "t3")
    codes = known.draw(st.lists(st.sampled_from([-1, 0]), min_size=len(listed), max_size=len(listed)))
    page = ObjectIndex.from_names(listed, targets=codes, target_ids=["elsewhere"])
    made = list(requests_for(page, [Route.of_bucket(CLIENT.bucket("b"))], present))
    placed = present.placement.targets_of(f"ais/@#/b/{name}".encode() for name in listed)
    expected = ["elsewhere" if code == 0 else target for code, target in zip(codes, placed, strict=True)]
    assert [request.target for request in made] == expected


def test_no_target_is_named_where_none_may_be_asked() -> None:
    closed = cluster("t1")
    closed.direct = False
    page = ObjectIndex.from_names(["a", "b"], sizes=1, targets=[0, -1], target_ids=["t1"])
    made = list(requests_for(page, [Route.of_bucket(CLIENT.bucket("b"))], closed))
    assert [request.target for request in made] == [None, None]


@given(size=st.integers(1, 10_000), piece=st.integers(1, 3_000))
def test_a_large_object_is_split_without_gap_or_overlap(size: int, piece: int) -> None:
    whole = Request(3, b"GET /v1/objects/b/o?provider=ais HTTP/1.1", size, "t1", "o", "ais://b/")
    pieces = whole.split(piece)
    parts = [request.part for request in pieces if request.part is not None]
    assert [part.start for part in parts] == list(range(0, size, piece))
    assert [part.stop for part in parts] == [*range(piece, size, piece), size]
    assert len({id(part.body) for part in parts}) == 1
    for request, part in zip(pieces, parts, strict=True):
        assert request.aimed_at == b"GET /v1/objects/b/o?provider=ais"
        wanted = f"\r\nRange: bytes={part.start}-{part.stop - 1}" if len(parts) > 1 else ""
        assert request.line.decode() == f"GET /v1/objects/b/o?provider=ais HTTP/1.1{wanted}"
        assert (request.position, request.target, request.url) == (3, "t1", "ais://b/o")
