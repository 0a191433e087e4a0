"""What asks for too much is refused, in bounded time and memory; the server goes on."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import ErrBckNotFound

from aistorch.server import EmbeddedAIStore
from tests.contract.conftest import Server
from tests.support.archives import pack

ENDLESS = 32 << 30


@pytest.fixture(scope="module", params=[1, 3])
def own(request: pytest.FixtureRequest) -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=request.param, buckets=["ais://b"]) as server:
        yield server


def push(endpoint: str, request: str, most: int) -> tuple[bytes, int]:
    """Sends a head and then zeros as long as the server takes them; what it answered, and how much it took."""
    url = urlsplit(endpoint)
    piece, taken = bytes(1 << 20), 0
    with socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=30) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: {url.netloc}\r\n".encode())
        connection.sendall(f"Content-Length: {ENDLESS}\r\n\r\n".encode())
        try:
            while taken < most:
                connection.sendall(piece)
                taken += len(piece)
        except OSError:
            pass
        return connection.recv(100), taken


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("PUT /v1/objects/missing/o?provider=ais", b"404"),
        ("PUT /v1/objects/missing/o?provider=ais&append_type=append", b"404"),
        ("PUT /v1/objects/b/o?provider=ais&uploadId=none&partNumber=1", b"404"),
        ("PUT /v1/objects/b/%2E%2E?provider=ais", b"400"),
        ("POST /v1/buckets/b?provider=ais", b"413"),
        ("PUT /v1/nowhere", b"400"),
    ],
)
def test_a_body_that_nobody_wants_is_refused_before_it_is_read(
    own: EmbeddedAIStore, request_line: str, status: bytes
) -> None:
    if request_line.endswith("partNumber=1") and len(own.target_endpoints) > 1:
        pytest.skip("the proxy redirects without knowing of uploads")
    answer, taken = push(own.endpoint, request_line, most=1 << 30)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert taken < 200 << 20
    assert own.client().cluster().is_ready()


def test_the_sdk_is_told_what_is_missing_however_large_the_object(own: EmbeddedAIStore, tmp_path: object) -> None:
    path = f"{tmp_path}/large"
    with open(path, "wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(ErrBckNotFound):
        own.client().bucket("missing").object("o").get_writer().put_file(path)


def test_a_small_refused_body_leaves_the_connection_usable(own: EmbeddedAIStore) -> None:
    with requests.Session() as session:
        for _ in range(3):
            answer = session.put(f"{own.endpoint}/v1/objects/missing/o?provider=ais", data=bytes(10_000))
            assert (answer.status_code, answer.headers.get("Connection")) == (404, None)


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000])
@pytest.mark.parametrize("wanted", ["bytes=0-{}", "bytes={}-", "bytes=-{}"])
def test_ranges_that_no_object_can_have(ais: Server, bucket: Bucket, wanted: str, number: str) -> None:
    bucket.object("o").get_writer().put_content(b"0123456789")
    url = f"{ais.endpoint}/v1/objects/{bucket.name}/o?provider=ais"
    answer = requests.get(url, headers={"Range": wanted.format(number)})
    assert answer.status_code == (400 if ais.embedded else 416)
    assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("opening", ["[", '{"value":'])
def test_json_that_is_too_deep(ais: Server, bucket: Bucket, opening: str) -> None:
    url = f"{ais.endpoint}/v1/buckets/{bucket.name}?provider=ais"
    answer = requests.post(url, data=opening * 1_000_000)
    assert answer.status_code == 400
    assert ais.client().cluster().is_ready()


@pytest.mark.parametrize(
    "value",
    [
        {"action": "list", "value": {"flags": "9" * 5000}},
        {"action": "list", "value": {"pagesize": -1}},
        {"action": "delete-listrange", "value": {"template": "o{0.." + "9" * 30 + "}"}},
        {"action": "delete-listrange", "value": {"template": "o{0.." + "9" * 5000 + "}"}},
    ],
    ids=["flags", "pagesize", "template", "long-template"],
)
def test_numbers_that_make_no_sense(own: EmbeddedAIStore, value: dict[str, object]) -> None:
    verb = "GET" if value["action"] == "list" else "DELETE"
    answer = requests.request(verb, f"{own.endpoint}/v1/buckets/b?provider=ais", json=value)
    assert answer.status_code == 400


@pytest.mark.parametrize("number", ["Infinity", "NaN", "9" * 400])
def test_part_numbers_that_make_no_sense(own: EmbeddedAIStore, number: str) -> None:
    upload = own.client().bucket("b").object("o").multipart_upload().create()
    body = f'{{"action": "mpt-complete", "value": [{{"part-number": {number}}}]}}'
    answer = requests.post(f"{own.endpoint}/v1/objects/b/o?uploadId={upload.upload_id}", data=body)
    assert answer.status_code == 400
    upload.abort()


def select(ais: EmbeddedAIStore, pattern: str) -> requests.Response:
    query = {"archmode": "regexp", "archregx": pattern, "provider": "ais"}
    return requests.get(f"{ais.endpoint}/v1/objects/b/a.tar", params=query, timeout=60)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the process by Linux's `ps`")
def test_a_regular_expression_can_neither_stop_the_server_nor_run_for_ever() -> None:
    with EmbeddedAIStore(buckets=["ais://b"]) as ais:
        bucket = ais.client().bucket("b")
        bucket.object("a.tar").get_writer().put_content(pack(".tar", [("a" * 60 + "!", b"x")]))
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(select, ais, "(a+)+$")
            while not children(ais.pid) and not asked.done():
                time.sleep(0.01)
            # While it runs, others are answered.
            assert bucket.object("a.tar").get_reader().read_all()
            assert not asked.done()
            assert asked.result().status_code == 400
        assert "takes more than" in asked.result().json()["message"]
        assert select(ais, "a{3,}!$").status_code == 200
        assert children(ais.pid) == []


@pytest.mark.parametrize("pattern", ["(", "(" * 10_000, "a{99999999999}", "(?P<n>", "*"])
def test_what_is_no_regular_expression_is_told(own: EmbeddedAIStore, pattern: str) -> None:
    own.client().bucket("b").object("a.tar").get_writer().put_content(pack(".tar", [("x", b"x")]))
    answer = select(own, pattern)
    if pattern == "*":  # AIStore's way to say all
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert "regular expression" in answer.json()["message"]


def children(pid: int) -> list[str]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return done.stdout.split()
