"""The arguments of a dataset: what they come to, and what is said of those that cannot be used."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from aistore.sdk import Bucket, Client
from aistore.sdk.namespace import Namespace

from aistorch.errors import ArgumentTypeError, InvalidArgumentError, InvalidURLError, NoEndpointError, NoSourceError
from aistorch.sources.resolve import Selection, Sources, describe, endpoint, resolve_sources

ENDPOINT = "http://127.0.0.1:1"  # no request is ever made


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIS_ENDPOINT", raising=False)


@pytest.fixture
def client() -> Client:
    return Client(ENDPOINT)


def resolve(sources: Any = None, prefixes: Any = None, **options: Any) -> Sources:
    return resolve_sources(sources, prefixes, owner="AISTestDataset", **options)


def texts(sources: Sources) -> list[str]:
    return [str(selection) for selection in sources.selections()]


def test_one_source_or_several(client: Client) -> None:
    first, second = client.bucket("first"), client.bucket("second")
    assert resolve(first).selections() == [Selection(first)]
    assert resolve([first, second]).selections() == [Selection(first), Selection(second)]
    assert resolve((second, first)).selections() == [Selection(second), Selection(first)]


def test_prefixes(client: Client) -> None:
    one, many, none, all_of_it = (client.bucket(name) for name in ("one", "many", "none", "all"))
    prefixes = {one: "a/", many: ["b", "c/", ""], none: [], all_of_it: None}
    sources = resolve([none, many, all_of_it, one], prefixes)
    assert texts(sources) == ["ais://many/b", "ais://many/c/", "ais://many", "ais://all", "ais://one/a/"]


def test_urls_come_first_and_share_a_client(client: Client) -> None:
    given = client.bucket("given")
    sources = resolve([given], {given: ["x"]}, client_url=ENDPOINT, urls_list=["s3://b/p q", "ais://#ns/c", "s3://b/z"])
    assert texts(sources) == ["aws://b/p q", "ais://@#ns/c", "aws://b/z", "ais://given/x"]
    buckets = [source for source in sources.sources if isinstance(source, Bucket)]
    assert len({id(bucket.client) for bucket in buckets[:3]}) == 1
    assert buckets[0].client is not given.client


def test_one_url_and_the_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIS_ENDPOINT", "http://127.0.0.1:2")
    source = resolve(urls_list="ais://b/p").sources[0]
    assert source.client.base_url == "http://127.0.0.1:2/v1"
    source = resolve(urls_list="ais://b/p", client_url="http://127.0.0.1:3").sources[0]
    assert source.client.base_url == "http://127.0.0.1:3/v1"


def test_sources_survive_pickling(client: Client) -> None:
    bucket = client.bucket("b")
    sources = resolve([bucket], {bucket: "p"}, client_url=ENDPOINT, urls_list="ais://u/q")
    assert texts(pickle.loads(pickle.dumps(sources))) == ["ais://u/q", "ais://b/p"]


def test_whatever_lists_itself_is_a_source() -> None:
    class Listing:
        def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> list[Any]:
            return []

    source = Listing()
    assert resolve(source, {source: ["a"]}).selections() == [Selection(source, "a")]  # type: ignore[arg-type]


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_neither_sources_nor_urls(nothing: Any) -> None:
    with pytest.raises(NoSourceError, match=r"AISTestDataset.*ais_source_list=.*urls_list="):
        resolve(nothing, urls_list=nothing)


def test_no_endpoint(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setenv("AIS_ENDPOINT", "")
    with pytest.raises(NoEndpointError, match=r"client_url='http://host:8080'.*AIS_ENDPOINT"):
        resolve(urls_list="ais://b")
    resolve(client.bucket("b"))  # a source has an endpoint of its own


def test_an_endpoint_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match=r"client_url is 'localhost:8080'.*'http://'"):
        resolve(urls_list="ais://b", client_url="localhost:8080")
    monkeypatch.setenv("AIS_ENDPOINT", "host")
    with pytest.raises(InvalidArgumentError, match="AIS_ENDPOINT is 'host'"):
        resolve(urls_list="ais://b")
    with pytest.raises(ArgumentTypeError, match=r"client_url must be a str.*not int"):
        resolve(urls_list="ais://b", client_url=8080)


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ("ais://bucket", "not str: URLs such as 'ais://bucket' go into urls_list"),
        (["ais://bucket"], "go into urls_list"),
        (5, "not int"),
        ([None], "not NoneType"),
        (Client(ENDPOINT), r"such as client.bucket\('name'\), not Client"),
    ],
)
def test_what_is_no_source(sources: Any, told: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"AISTestDataset: ais_source_list.*{told}"):
        resolve(sources)


def test_what_is_no_url(client: Client) -> None:
    with pytest.raises(ArgumentTypeError, match=r"urls_list.*not Bucket: sources go into ais_source_list"):
        resolve(urls_list=[client.bucket("b")], client_url=ENDPOINT)
    with pytest.raises(ArgumentTypeError, match=r"urls_list.*not int"):
        resolve(urls_list=7, client_url=ENDPOINT)
    with pytest.raises(InvalidURLError, match="did you mean 'ais://typo'"):
        resolve(urls_list=["ais://fine", "ais:/typo"], client_url=ENDPOINT)


def test_a_prefix_map_that_cannot_be_used(client: Client) -> None:
    bucket = client.bucket("b")
    for prefixes, error, told in (
        ({client.bucket("b"): "x"}, InvalidArgumentError, "the key ais://b, which is no source.*same object in both"),
        ({"b": "x"}, InvalidArgumentError, "the key 'b', which is no source"),
        ({bucket: 5}, ArgumentTypeError, "a str or a list of str for ais://b, not int"),
        ({bucket: ["a", None]}, ArgumentTypeError, "for ais://b, not NoneType"),
        (["x"], ArgumentTypeError, "must be a dict.*not list"),
    ):
        with pytest.raises(error, match=f"AISTestDataset: prefix_map.*{told}"):
            resolve(bucket, prefixes)


def test_how_sources_are_named(client: Client) -> None:
    assert describe(client.bucket("b", "aws", Namespace(uuid="u", name="n"))) == "aws://@u#n/b"
    assert describe(client.bucket("b").objects(obj_names=["x"])) == "group of objects in ais://b"
    assert describe("text") == "str"


def test_a_token_is_nowhere_in_a_message() -> None:
    client = Client(ENDPOINT, token="secret-token")
    bucket = client.bucket("b")
    for arguments in ((client, None), (bucket, {client.bucket("c"): "x"}), (bucket, {bucket: 5})):
        with pytest.raises((ArgumentTypeError, InvalidArgumentError)) as raised:
            resolve(*arguments)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://node:8080", "http://node:8080"),
        ("http://node:8080/", "http://node:8080"),
        ("HTTP://node:8080", "http://node:8080"),
        ("Https://node:8080/v1/", "https://node:8080"),
        ("http://node:8080/v1", "http://node:8080"),
        (" http://node:8080\n", "http://node:8080"),
        ("http://node/gateway", "http://node/gateway/"),
        ("http://node/gateway/v1/", "http://node/gateway/"),
    ],
)
def test_an_endpoint_may_be_written_in_several_ways(given: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint(given, "Test") == meant
    monkeypatch.setenv("AIS_ENDPOINT", given)
    assert endpoint(None, "Test") == meant
    path = "/gateway/v1" if "gateway" in given else "/v1"
    assert Client(endpoint(None, "Test")).bucket("b").client.base_url.endswith(path)
