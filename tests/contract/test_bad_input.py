"""Mistakes: each is an error, or a warning, that names the thing and says what to do, without a long wait."""

from __future__ import annotations

import re
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket, Client
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

from aistorch import AISBaseIterDataset, AISBaseMapDataset, AISDataset, AISIterDataset, AISMapDataset
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import (
    ArgumentTypeError,
    BucketNotFoundError,
    EmptyListingWarning,
    EndpointUnreachableError,
    InvalidArgumentError,
    InvalidURLError,
    NoEndpointError,
    NoSourceError,
    ObjectNotFoundError,
    SampleIndexError,
    ServerError,
    TransformError,
)
from tests.support.objects import new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

Make = Callable[..., Any]

CLIENT = Client("http://127.0.0.1:1")
BUCKET = CLIENT.bucket("photos")
KINDS: list[Make] = [AISMapDataset, AISIterDataset]


class OwnMap(AISBaseMapDataset):
    def __getitem__(self, index: int) -> Any:
        return self.get_obj_list()[index].name


class OwnIter(AISBaseIterDataset):
    def __iter__(self) -> Iterator[Any]:
        self._reset_iterator()
        for obj in self._get_worker_iter_info()[0]:
            yield obj.name


ALL_KINDS: list[Make] = [*KINDS, OwnMap, OwnIter]


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIS_ENDPOINT", raising=False)


def use(dataset: Any) -> list[Any]:
    """All that a dataset has; a map-style one has listed already."""
    if isinstance(dataset, AISBaseMapDataset):
        return [dataset[position] for position in range(len(dataset))]
    return list(dataset)


# arguments: nothing is asked of any server


@pytest.mark.parametrize("make", ALL_KINDS)
@pytest.mark.parametrize("arguments", [{}, {"ais_source_list": []}, {"ais_source_list": None, "urls_list": []}])
def test_neither_sources_nor_urls(make: Make, arguments: dict[str, Any]) -> None:
    with pytest.raises(NoSourceError) as raised:
        make(**arguments)
    assert str(raised.value).startswith(f"{make.__name__} has nothing to read")
    assert "ais_source_list=[client.bucket('name')]" in str(raised.value)
    assert "urls_list='ais://bucket/prefix'" in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("make", ALL_KINDS)
def test_urls_without_an_endpoint(make: Make) -> None:
    with pytest.raises(NoEndpointError, match=r"client_url='http://host:8080' or set .* AIS_ENDPOINT"):
        make(urls_list="ais://photos")


@pytest.mark.parametrize("endpoint", ["localhost:8080", "ais://localhost", "photos"])
def test_an_endpoint_that_is_no_url(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match=f"client_url is '{endpoint}': .* begins with 'http://'"):
        AISMapDataset(client_url=endpoint, urls_list="ais://photos")
    monkeypatch.setenv("AIS_ENDPOINT", endpoint)
    with pytest.raises(InvalidArgumentError, match=f"AIS_ENDPOINT is '{endpoint}'"):
        AISMapDataset(urls_list="ais://photos")


@pytest.mark.parametrize("make", ALL_KINDS)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ais:/photos/x", "did you mean 'ais://photos/x'?"),
        ("photos", "did you mean 'ais://photos'?"),
        ("hdfs://photos", "unknown provider 'hdfs': use one of ais, aws, s3,"),
        ("ais://", "names no bucket: write 'ais://bucket'"),
        ("ais://pho tos/x", "has the bucket name 'pho tos': write 1 to 64 letters"),
    ],
)
def test_urls_that_cannot_be_understood(make: Make, url: str, message: str) -> None:
    with pytest.raises(InvalidURLError) as raised:
        make(client_url="http://127.0.0.1:1", urls_list=["ais://good", url])
    assert repr(url) in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("make", ALL_KINDS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"ais_source_list": "ais://photos"},
            "ais_source_list must hold sources .* URLs such as 'ais://photos' go into",
        ),
        ({"ais_source_list": [BUCKET, 5]}, "ais_source_list must hold sources .* not int"),
        ({"urls_list": BUCKET}, "urls_list must hold URLs .* not Bucket: sources go into ais_source_list"),
        ({"urls_list": ["ais://photos", None]}, "urls_list must hold URLs .* not NoneType"),
        ({"urls_list": "ais://photos", "client_url": CLIENT}, "client_url must be a str .* not Client"),
        ({"ais_source_list": BUCKET, "prefix_map": ["a/"]}, "prefix_map must be a dict .* not list"),
        ({"ais_source_list": BUCKET, "prefix_map": {BUCKET: 5}}, "a str or a list of str for ais://photos, not int"),
        ({"ais_source_list": BUCKET, "prefix_map": {BUCKET: ["a", None]}}, "for ais://photos, not NoneType"),
    ],
)
def test_wrong_types(make: Make, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"^{make.__name__}: .*{message}") as raised:
        make(**arguments)
    assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize("make", KINDS)
def test_an_etl_of_a_wrong_type(make: Make) -> None:
    with pytest.raises(ArgumentTypeError, match="etl_name must be a str or an ETLConfig, not int"):
        make(BUCKET, etl_name=5)


@pytest.mark.parametrize("make", ALL_KINDS)
@pytest.mark.parametrize("key", [CLIENT.bucket("photos"), "photos", "ais://photos"])
def test_a_prefix_map_with_a_key_that_is_no_source(make: Make, key: Any) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        make([BUCKET], {key: "a/"})
    assert "prefix_map has the key" in str(raised.value)
    assert "photos" in str(raised.value)
    assert "use the same object in both" in str(raised.value)


# servers


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


@pytest.mark.parametrize("make", ALL_KINDS)
def test_an_endpoint_where_nobody_answers(make: Make, closed_port: int) -> None:
    endpoint = f"http://127.0.0.1:{closed_port}"
    began = time.monotonic()
    for arguments in (
        {"client_url": endpoint, "urls_list": "ais://photos"},
        {"ais_source_list": Client(endpoint).bucket("b")},
    ):
        with pytest.raises(EndpointUnreachableError) as raised:
            use(make(**arguments))
        assert endpoint in str(raised.value)
        assert "AIS_ENDPOINT" in str(raised.value)
        assert isinstance(raised.value, ConnectionError)
    # The SDK alone would try for most of a minute.
    assert time.monotonic() - began < 10


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(EndpointUnreachableError, match=r"nothing answers at http://no-such-host\.invalid:8080"):
        AISMapDataset(client_url="http://no-such-host.invalid:8080", urls_list="ais://photos")


@pytest.mark.parametrize("make", ALL_KINDS)
def test_a_bucket_that_does_not_exist(make: Make, ais: Server) -> None:
    client = ais.client()
    with pytest.raises(BucketNotFoundError, match=r"ais://no-such-bucket does not exist .*: check its name") as raised:
        use(make(client.bucket("no-such-bucket")))
    assert isinstance(raised.value, ErrBckNotFound)
    assert raised.value.status_code == 404
    with pytest.raises(BucketNotFoundError, match="ais://no-such-bucket"):
        use(make(client_url=ais.endpoint, urls_list="ais://no-such-bucket/prefix/"))


def test_what_comes_before_a_missing_bucket_is_read(ais: Server, bucket: Bucket) -> None:
    bucket.object("a").get_writer().put_content(b"1")
    samples = iter(AISIterDataset([bucket, ais.client().bucket("no-such-bucket")]))
    assert next(samples) == ("a", b"1")
    with pytest.raises(BucketNotFoundError):
        next(samples)


@pytest.mark.parametrize("make", KINDS)
def test_an_object_deleted_since_it_was_listed(make: Make, bucket: Bucket) -> None:
    for name in ("a", "b/ü x", "c"):
        bucket.object(name).get_writer().put_content(name.encode())
    dataset = make(bucket)
    assert len(dataset) == 3
    bucket.object("b/ü x").delete()
    with pytest.raises(ObjectNotFoundError) as raised:
        use(dataset)
    assert f"ais://{bucket.name}/b/ü x does not exist" in str(raised.value)
    assert "make the dataset anew" in str(raised.value)
    assert isinstance(raised.value, ErrObjNotFound)
    if isinstance(dataset, AISMapDataset):
        assert [dataset[0], dataset[2]] == [("a", b"a"), ("c", b"c")]
        with pytest.raises(ObjectNotFoundError):
            dataset.__getitems__([0, 1, 2])
    else:
        samples = iter(dataset)
        assert next(samples) == ("a", b"a")


def test_a_bucket_deleted_since_it_was_listed(bucket: Bucket) -> None:
    bucket.object("a").get_writer().put_content(b"1")
    dataset = AISMapDataset(bucket)
    bucket.delete()
    with pytest.raises(BucketNotFoundError, match=f"bucket ais://{bucket.name} does not exist"):
        dataset[0]


def test_a_name_of_a_group_that_does_not_exist(bucket: Bucket) -> None:
    bucket.object("a").get_writer().put_content(b"1")
    dataset = AISMapDataset(bucket.objects(obj_names=["a", "missing"]))
    assert dataset[0] == ("a", b"1")
    with pytest.raises(ObjectNotFoundError, match=f"ais://{bucket.name}/missing does not exist"):
        dataset[1]


@pytest.mark.parametrize("make", KINDS)
def test_an_etl_that_does_not_exist(make: Make, bucket: Bucket) -> None:
    bucket.object("a").get_writer().put_content(b"1")
    config = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01))
    with pytest.raises(TransformError, match=f"ais://{bucket.name}/a .* the ETL 'no-such-etl'"):
        use(make(bucket, etl_name="no-such-etl", config=config))


@pytest.mark.parametrize("make", ALL_KINDS)
def test_nothing_listed_is_a_warning_that_names_the_prefix(make: Make, bucket: Bucket) -> None:
    with pytest.warns(EmptyListingWarning, match=f"ais://{bucket.name} holds no objects: check bucket and prefix"):
        assert use(make(bucket)) == []
    bucket.object("train/a").get_writer().put_content(b"1")
    message = f"ais://{bucket.name} holds no names beginning with 'trian/'"
    with pytest.warns(EmptyListingWarning, match=message):
        assert len(use(make(bucket, {bucket: ["train/", "trian/"]}))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(use(make(bucket, {bucket: "train/"}))) == 1


def test_an_empty_dataset_has_a_length_and_no_first_sample(bucket: Bucket) -> None:
    with pytest.warns(EmptyListingWarning):
        dataset = AISMapDataset(bucket)
    assert len(dataset) == 0
    with pytest.raises(SampleIndexError, match="index 0 is outside a dataset of 0 objects"):
        dataset[0]
    with pytest.warns(EmptyListingWarning):
        assert len(AISIterDataset(bucket)) == 0


@pytest.mark.parametrize(("index", "allowed"), [(-1, True), (-2, True), (-3, False), (2, False), (1, True)])
def test_indices_at_the_edges(bucket: Bucket, index: int, allowed: bool) -> None:
    for name in ("a", "b"):
        bucket.object(name).get_writer().put_content(name.encode())
    for dataset in (AISMapDataset(bucket), AISDataset(ais_source_list=bucket), OwnMap(bucket)):
        if allowed:
            expected = ["a", "b"][index]
            assert dataset[index] in (expected, (expected, expected.encode()))
            continue
        with pytest.raises(SampleIndexError, match=f"index {index} is outside a dataset of 2 objects") as raised:
            dataset[index]
        assert isinstance(raised.value, IndexError)


def test_something_else_than_aistore_answers() -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ServerError, match=re.escape(f"{endpoint} does not answer as AIStore does")):
            AISMapDataset(client_url=endpoint, urls_list="ais://photos")
        server.shutdown()


def one_by_name(bucket: Bucket) -> AISMapDataset:
    """Listed without a request: reading is what is refused."""
    return AISMapDataset(bucket.objects(obj_names=["a"]))


@pytest.mark.parametrize("token", [None, "another-secret"])
def test_errors_of_a_server_that_wants_a_token(token: str | None) -> None:
    server_module = pytest.importorskip("aistorch.server")
    with (
        server_module.EmbeddedAIStore(token="top-secret") as server,
        new_bucket(server.client(), {"a": b"1"}) as bucket,
    ):
        assert AISMapDataset(bucket)[0] == ("a", b"1")
        wrong = Client(server.endpoint, token=token).bucket(bucket.name)
        for make in (AISMapDataset, AISIterDataset, one_by_name):
            with pytest.raises(PermissionError) as raised:
                use(make(wrong))
            assert isinstance(raised.value, AISError)
            assert bucket.name in str(raised.value)
            assert "token" in str(raised.value)
            assert "secret" not in str(raised.value) + repr(raised.value)
