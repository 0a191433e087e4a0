"""Objects, as the unmodified SDK and plain HTTP see them; what holds for AIStore holds for the embedded server."""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
import xxhash
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import Server

ODD_NAMES = [
    "plain.jpg",
    "dir/deep/er/x",
    "space in name",
    "100%",
    "%41",
    "a+b",
    "a#b",
    "a?b=c",
    "a&b;c:d@e",
    "'\"\\[]{}~*|<>^`,=!",
    "ümlaut/日本/😀",
    "..dots",
    "x" * 300,
    "deep/" * 80 + "x",
]
DIGITS = b"0123456789"


def url(ais: Server, bucket: Bucket, name: str) -> str:
    return f"{ais.endpoint}/v1/objects/{bucket.name}/{quote(name)}?provider=ais"


def put(bucket: Bucket, name: str, data: bytes) -> bytes:
    bucket.object(name).get_writer().put_content(data)
    return data


def raw_status(endpoint: str, verb: str, target: str) -> int:
    """The status of a request whose path nothing has tidied up, as urllib3 does; redirects are followed."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    connection.request(verb, target, headers={"Content-Length": "0"})
    response = connection.getresponse()
    status, location = response.status, response.getheader("Location")
    connection.close()
    if status in (301, 307) and location is not None:
        to = urlsplit(location)
        return raw_status(f"http://{to.netloc}", verb, f"{to.path}?{to.query}")
    return status


def read(bucket: Bucket, name: str, **how: Any) -> bytes:
    data = bucket.object(name).get_reader(**how).read_all()
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_names_come_back_as_they_were_given(bucket: Bucket, name: str) -> None:
    put(bucket, name, name.encode())
    assert read(bucket, name) == name.encode()
    assert read(bucket, name, direct=True) == name.encode()
    assert [entry.name for entry in bucket.list_all_objects()] == [name]
    assert bucket.object(name).props.checksum_value == xxhash.xxh64_hexdigest(name.encode())
    bucket.object(name).delete()
    assert bucket.list_all_objects() == []


@pytest.mark.parametrize("size", [0, 1, 4096, 262_144, 262_145, 3_000_000])
def test_sizes_come_back_as_they_were_given(bucket: Bucket, size: int) -> None:
    data = put(bucket, "o", (DIGITS * (size // 10 + 1))[:size])
    assert read(bucket, "o") == data
    assert b"".join(bucket.object("o").get_reader(chunk_size=1000)) == data
    assert bucket.object("o").props.size == size


def test_a_get_has_the_headers_of_aistore(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"hello 1")
    headers = requests.get(url(ais, bucket, "o")).headers
    assert headers["Ais-Checksum-Type"] == "xxhash2"
    assert headers["Ais-Checksum-Value"] == "c169567b5b08ba62"
    assert headers["Content-Length"] == "7"
    assert headers["Content-Type"] == "application/octet-stream"
    assert int(headers["Ais-Atime"]) > 1.7e18
    assert "Accept-Ranges" not in headers


@pytest.mark.parametrize(
    ("header", "content", "announced"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=0-100", DIGITS, "bytes 0-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", DIGITS, "bytes 0-9/10"),
        ("bytes=-0", b"", "bytes 10-9/10"),
        ("bytes=20-,0-1", b"01", "bytes 0-1/10"),
    ],
)
def test_ranges(ais: Server, bucket: Bucket, header: str, content: bytes, announced: str) -> None:
    put(bucket, "o", DIGITS)
    response = requests.get(url(ais, bucket, "o"), headers={"Range": header})
    assert (response.status_code, response.content) == (206, content)
    assert response.headers["Content-Range"] == announced
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Ais-Checksum-Value"] == xxhash.xxh64_hexdigest(DIGITS)


@pytest.mark.parametrize(
    ("header", "announced"),
    [
        ("bytes=10-", "bytes */10"),
        ("bytes=5-3", None),
        ("bytes=a-b", None),
        ("chars=0-1", None),
        ("bytes=0-1,3-4", None),
    ],
)
def test_ranges_that_cannot_be_had(ais: Server, bucket: Bucket, header: str, announced: str | None) -> None:
    put(bucket, "o", DIGITS)
    response = requests.get(url(ais, bucket, "o"), headers={"Range": header})
    assert response.status_code == 416
    assert response.headers.get("Content-Range") == announced
    assert response.json()["status"] == 416


def test_a_large_range_is_a_slice(bucket: Bucket) -> None:
    data = put(bucket, "o", bytes(range(256)) * 8000)
    assert read(bucket, "o", byte_range="bytes=1000001-1900000") == data[1_000_001:1_900_001]


@pytest.mark.parametrize("direct", [False, True])
def test_what_is_missing_raises_the_sdks_own_errors(ais: Server, bucket: Bucket, direct: bool) -> None:
    with pytest.raises(ErrObjNotFound):
        read(bucket, "nope", direct=direct)
    with pytest.raises(ErrObjNotFound):
        bucket.object("nope").delete()
    missing = ais.client().bucket("no-such-bucket")
    with pytest.raises(ErrBckNotFound):
        read(missing, "o")
    with pytest.raises(ErrBckNotFound):
        put(missing, "o", b"")


def test_errors_have_the_body_of_aistore(ais: Server, bucket: Bucket) -> None:
    response = requests.get(url(ais, bucket, "nope"))
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["tcode", "message", "method", "url_path", "remote_addr", "caller", "node", "status"]
    assert (body["tcode"], body["method"], body["status"]) == ("ErrNotFound", "GET", 404)
    assert f"ais://{bucket.name}/nope" in body["message"]
    assert body["url_path"] == f"/v1/objects/{bucket.name}/nope"


def test_errors_of_head_travel_in_a_header(ais: Server, bucket: Bucket) -> None:
    response = requests.head(url(ais, bucket, "nope"), allow_redirects=True)
    assert (response.status_code, response.content) == (404, b"")
    assert '"status":404' in response.headers["Hdr-Error"]
    with pytest.raises(AISError) as caught:
        bucket.object("nope").head()
    assert caught.value.status_code == 404


def test_head_tells_what_is_asked_for(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"hello 1")
    few = requests.head(url(ais, bucket, "o") + "&props=size", allow_redirects=True).headers
    assert (few["Content-Length"], few["Ais-Present"]) == ("7", "true")
    assert "Ais-Checksum-Value" not in few
    more = bucket.object("o").head("checksum,atime,location,copies")
    assert (more.size, more.checksum_type, more.checksum_value) == (7, "xxhash2", "c169567b5b08ba62")
    assert int(more.access_time) > 1.7e18
    assert more.location.startswith("t[")
    assert "]:mp[" in more.location
    assert more.present
    unknown = requests.head(url(ais, bucket, "o") + "&props=size,colour", allow_redirects=True)
    assert unknown.status_code == 400


def test_head_without_props_tells_all_as_older_sdks_want(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"hello 1")
    headers = requests.head(url(ais, bucket, "o"), allow_redirects=True).headers
    assert headers["Content-Length"] == "7"
    assert headers["Ais-Checksum-Value"] == "c169567b5b08ba62"
    assert (headers["Ais-Name"], headers["Ais-Bucket-Name"], headers["Ais-Bucket-Provider"]) == (
        "o",
        bucket.name,
        "ais",
    )


def test_custom_properties(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"data")
    writer = bucket.object("o").get_writer()
    writer.set_custom_props({"a": "1", "b": "2"})
    writer.set_custom_props({"b": "3"})
    assert bucket.object("o").props.custom_metadata == {"a": "1", "b": "3"}
    writer.set_custom_props({"c": "4"}, replace_existing=True)
    assert bucket.object("o").props.custom_metadata == {"c": "4"}
    assert requests.get(url(ais, bucket, "o")).headers["Ais-Custom-Md"] == "c=4"
    assert read(bucket, "o") == b"data"


def test_custom_properties_cannot_forge_headers(ais: Server, bucket: Bucket) -> None:
    if not ais.embedded:
        pytest.skip("AIStore stores them, and then answers with what Go makes of such a header")
    put(bucket, "o", b"data")
    with pytest.raises(AISError, match="line breaks"):
        bucket.object("o").get_writer().set_custom_props({"a": "1\r\nX-Forged: 1"})
    assert bucket.object("o").props.custom_metadata == {}


def test_a_client_that_waits_for_permission_gets_it(ais: Server, bucket: Bucket) -> None:
    location = requests.put(url(ais, bucket, "o"), allow_redirects=False).headers.get("Location", url(ais, bucket, "o"))
    to = urlsplit(location)
    head = f"PUT {to.path}?{to.query} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection((to.hostname or "", to.port or 0), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"data")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert read(bucket, "o") == b"data"


def test_overwriting_replaces(bucket: Bucket) -> None:
    put(bucket, "o", b"first, longer")
    put(bucket, "o", b"second")
    assert read(bucket, "o") == b"second"
    assert [(e.name, e.size) for e in bucket.list_all_objects()] == [("o", 6)]


def test_bodies_may_come_in_chunks(ais: Server, bucket: Bucket) -> None:
    response = requests.put(url(ais, bucket, "o"), data=io.BytesIO(b""), allow_redirects=False)
    target = response.headers.get("Location", url(ais, bucket, "o"))
    assert requests.put(target, data=iter([b"ab", b"c" * 70_000, b"d"])).status_code == 200
    assert read(bucket, "o") == b"ab" + b"c" * 70_000 + b"d"


def test_a_put_answers_with_what_was_stored(ais: Server, bucket: Bucket) -> None:
    response = requests.put(url(ais, bucket, "o"), data=b"hello 1")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Ais-Checksum-Value"] == "c169567b5b08ba62"


def test_a_wrong_checksum_is_refused_and_changes_nothing(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"old")
    headers = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "0" * 16}
    response = requests.put(url(ais, bucket, "o"), data=b"new", headers=headers)
    assert (response.status_code, response.json()["tcode"]) == (500, "ErrBadCksum")
    assert read(bucket, "o") == b"old"
    headers["Ais-Checksum-Value"] = xxhash.xxh64_hexdigest(b"new")
    assert requests.put(url(ais, bucket, "o"), data=b"new", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["..", "a/%2E%2E/b", "%2E%2E%2F%2E%2E%2Fetc", "a/%2E/b", "~/x"])
@pytest.mark.parametrize("verb", ["GET", "PUT", "HEAD", "DELETE"])
def test_names_that_lead_elsewhere_are_refused(ais: Server, bucket: Bucket, verb: str, name: str) -> None:
    assert raw_status(ais.endpoint, verb, f"/v1/objects/{bucket.name}/{name}?provider=ais") == 400


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_names_of_directories_are_refused(ais: Server, bucket: Bucket, verb: str) -> None:
    assert raw_status(ais.endpoint, verb, f"/v1/objects/{bucket.name}/trailing/?provider=ais") == 400


def test_transforms_need_an_etl(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"x")
    response = requests.get(url(ais, bucket, "o") + "&etl_name=no-such-etl")
    assert response.status_code >= 400
    assert requests.get(url(ais, bucket, "o") + "&etl_name=").content == b"x"


def test_empty_archive_parameters_mean_the_object(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"x")
    assert requests.get(url(ais, bucket, "o") + "&archpath=&archregx=").content == b"x"


def test_connections_are_kept_alive(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"x")
    with requests.Session() as session:
        for _ in range(3):
            response = session.get(url(ais, bucket, "o"))
            assert (response.status_code, response.headers.get("Connection")) == (200, None)


@given(st.binary(max_size=5000), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
def test_any_bytes_under_any_name(bucket: Bucket, data: bytes, name: str) -> None:
    name = "d/" + name.replace("/", "-").replace(".", "-")
    put(bucket, name, data)
    assert read(bucket, name) == data
    assert bucket.object(name).props.checksum_value == xxhash.xxh64_hexdigest(data)


def test_each_put_counts_the_version_that_put_head_and_get_show(ais: Server, bucket: Bucket) -> None:
    url = f"{ais.endpoint}/v1/objects/{bucket.name}/o?provider=ais"
    for version in ("1", "2"):
        answers = [requests.put(url, data=b"data"), requests.get(url), requests.head(url, allow_redirects=True)]
        answers.append(requests.head(f"{url}&props=version", allow_redirects=True))
        assert [answer.headers.get("Ais-Version") for answer in answers] == [version] * 4
    assert [entry.version for entry in bucket.list_all_objects(props="name,version")] == ["2"]
