"""Web pages in a browser on the same machine get nothing from the embedded server; programs get everything."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from aistore.sdk import Client

from aistorch import AISMapDataset
from aistorch.server import EmbeddedAIStore
from aistorch.server.http_errors import HTTPError
from aistorch.server.senders import Senders
from tests.support.private_network import is_private

CROSS_SITE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Host": "evil.example"},
    {"Host": "evil.example:80"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:51080"},
    {"Host": "10.0.0.1"},
    {"Host": ""},
]


@pytest.fixture(scope="module", params=[1, 3])
def ais(request: pytest.FixtureRequest) -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=request.param, buckets=["ais://photos", "ais://other"]) as server:
        for name, data in (("photos", b"mine"), ("other", b"EVIL")):
            server.client().bucket(name).object("a").get_writer().put_content(data)
        yield server


def ask(ais: EmbeddedAIStore, verb: str, path: str, headers: dict[str, str], data: str = "") -> requests.Response:
    return requests.request(
        verb, f"{ais.endpoint}/v1/{path}", headers=headers, data=data, timeout=10, allow_redirects=False
    )


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_a_web_page_can_neither_read_nor_change_anything(ais: EmbeddedAIStore, headers: dict[str, str]) -> None:
    simple = {**headers, "Content-Type": "text/plain"}
    copying = json.dumps({"action": "copy-bck", "value": {"force": True}})
    answers = [
        ask(ais, "POST", "buckets/other?provider=ais&bck_to=ais%2F%40%23%2Fphotos%2F", simple, copying),
        ask(ais, "POST", "buckets/new?provider=ais", simple, '{"action": "create-bck"}'),
        ask(ais, "PUT", "objects/photos/a?provider=ais", headers, "EVIL"),
        ask(ais, "DELETE", "buckets/photos?provider=ais", headers, '{"action": "destroy-bck"}'),
        ask(ais, "DELETE", "objects/photos/a?provider=ais", headers),
        ask(ais, "GET", "objects/photos/a?provider=ais", headers),
        ask(ais, "GET", "daemon?what=smap", headers),
        ask(ais, "OPTIONS", "buckets/photos", {**headers, "Access-Control-Request-Method": "DELETE"}),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert all("Access-Control-Allow-Origin" not in answer.headers for answer in answers)
    client = ais.client()
    assert [bucket.name for bucket in client.cluster().list_buckets()] == ["other", "photos"]
    assert client.bucket("photos").object("a").get_reader().read_all() == b"mine"


def test_targets_refuse_web_pages_too(ais: EmbeddedAIStore) -> None:
    for url in ais.target_endpoints.values():
        answer = requests.get(f"{url}/v1/objects/photos/a", headers={"Host": "evil.example"}, timeout=10)
        assert answer.status_code == 403


def test_the_refusal_says_what_to_do(ais: EmbeddedAIStore) -> None:
    assert "Use a program" in ask(ais, "GET", "health", {"Origin": "http://x"}).json()["message"]
    message = ask(ais, "GET", "health", {"Host": "my-laptop"}).json()["message"]
    assert "'my-laptop'" in message
    assert "--allow-host" in message


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.2:80", "[::1]:51080"])
def test_programs_of_this_machine_are_answered(ais: EmbeddedAIStore, host: str) -> None:
    assert ask(ais, "GET", "health", {"Host": host, "Sec-Fetch-Site": "none"}).status_code == 200


def test_sdk_and_dataset_work_by_the_name_localhost(ais: EmbeddedAIStore) -> None:
    endpoint = f"http://localhost:{urlsplit(ais.endpoint).port}"
    made = Client(endpoint).bucket("by-name").create()
    made.object("o").get_writer().put_content(b"data")
    assert made.object("o").get_reader().read_all() == b"data"
    assert AISMapDataset(client_url=endpoint, urls_list="ais://by-name")[0] == ("o", b"data")
    made.delete()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no `curl` on PATH")
def test_curl_writes_and_reads(ais: EmbeddedAIStore) -> None:
    url = f"{ais.endpoint}/v1/objects/photos/by-curl?provider=ais"
    for arguments in (["-T", "-"], []):
        done = subprocess.run(["curl", "-sSfL", *arguments, url], input=b"data", capture_output=True, timeout=20)
        assert done.returncode == 0, done.stderr
    assert done.stdout == b"data"
    assert ais.client().bucket("photos").object("by-curl").get_reader().read_all() == b"data"
    ais.client().bucket("photos").object("by-curl").delete()


def test_other_names_can_be_given() -> None:
    with EmbeddedAIStore(allow_hosts=["aistore.local"]) as ais:
        assert ask(ais, "GET", "health", {"Host": "AIStore.local:51080"}).status_code == 200
        assert ask(ais, "GET", "health", {"Host": "other.local"}).status_code == 403


@pytest.mark.skipif(not is_private(), reason="listens on all interfaces, which is for private networks (`make test`)")
def test_bound_to_all_addresses_it_is_known_by_addresses_but_not_by_names() -> None:
    with EmbeddedAIStore(host="0.0.0.0") as ais:
        endpoint = ais.endpoint.replace("0.0.0.0", "127.0.0.1")
        for host, status in (("10.1.2.3:51080", 200), ("[fd00::1]", 200), ("0.0.0.0", 200), ("evil.example", 403)):
            assert requests.get(f"{endpoint}/v1/health", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("bound", "host", "known"),
    [
        ("192.168.1.5", "192.168.1.5:51080", True),
        ("192.168.1.5", "192.168.1.6:51080", False),
        ("192.168.1.5", "localhost:51080", True),
        ("my-laptop", "My-Laptop:51080", True),
        ("my-laptop", "my-laptop.evil.example", False),
        ("fd00::5", "[fd00::5]:51080", True),
        ("::", "[fd00::6]:51080", True),
        ("::1", "[::1]", True),
    ],
)
def test_it_is_known_by_the_host_it_is_bound_to(bound: str, host: str, known: bool) -> None:
    from aiohttp.test_utils import make_mocked_request

    request = make_mocked_request("GET", "/", {"Host": host})
    if known:
        Senders(bound).check(request)
    else:
        with pytest.raises(HTTPError, match="not known as"):
            Senders(bound).check(request)
