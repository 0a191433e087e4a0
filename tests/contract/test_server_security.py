"""HTTPS and tokens of the embedded server, for testing clients against them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from aistore.sdk import Client
from aistore.sdk.errors import AISError

from aistorch.server import EmbeddedAIStore

TOKEN = "a-secret-word"


@pytest.fixture(autouse=True)
def _own_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    # These variables win over whatever the SDK was told.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl` on PATH to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    (folder / "both").write_text((folder / "cert").read_text() + (folder / "key").read_text())
    return folder


@pytest.fixture(scope="module", params=[1, 3])
def guarded(request: pytest.FixtureRequest) -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=request.param, token=TOKEN) as ais:
        ais.client().bucket("b").create().object("o").get_writer().put_content(b"data")
        yield ais


@pytest.mark.parametrize("targets", [1, 3])
def test_the_sdk_works_over_https(certificate: Path, targets: int) -> None:
    with EmbeddedAIStore(targets=targets, cert=certificate / "cert", key=certificate / "key") as ais:
        assert ais.endpoint.startswith("https://127.0.0.1:")
        client = Client(ais.endpoint, ca_cert=str(certificate / "cert"))
        assert client.cluster().is_ready()
        bucket = client.bucket("b").create()
        data = bytes(range(256)) * 5000
        for size in (0, 10, len(data)):
            written = bucket.object(f"o{size}")
            written.get_writer().put_content(data[:size])
            assert written.get_reader().read_all() == data[:size]
            assert written.get_reader(direct=True).read_all() == data[:size]
        path = certificate / "both"
        bucket.object("file").get_writer().put_file(str(path))
        assert bucket.object("file").get_reader().read_all() == path.read_bytes()
        assert len(bucket.list_all_objects()) == 4
        bucket.object("o10").delete()


def test_one_file_may_hold_certificate_and_key(certificate: Path) -> None:
    with EmbeddedAIStore(cert=certificate / "both") as ais:
        assert ais.client().cluster().is_ready()


@pytest.mark.parametrize("targets", [1, 3])
def test_over_https_a_put_is_redirected_before_its_body_is_read(certificate: Path, targets: int) -> None:
    with EmbeddedAIStore(targets=targets, cert=certificate / "both") as ais:
        ais.client().bucket("b").create()
        url = f"{ais.endpoint}/v1/objects/b/o?provider=ais"
        response = requests.put(
            url, headers={"Content-Length": "1000000"}, verify=False, allow_redirects=False, timeout=10
        )
        assert response.status_code == 307
        assert "pid=" in response.headers["Location"]
        assert ais.client().bucket("b").list_all_objects() == []


def test_the_sdk_works_with_the_token(guarded: EmbeddedAIStore) -> None:
    client = Client(guarded.endpoint, token=TOKEN)
    assert client.cluster().is_ready()
    bucket = client.bucket("b")
    assert bucket.object("o").get_reader().read_all() == b"data"
    bucket.object("a b?#%~").get_writer().put_content(b"more")
    assert bucket.object("a b?#%~").get_reader().read_all() == b"more"
    bucket.object("a b?#%~").delete()
    assert [entry.name for entry in bucket.list_all_objects()] == ["o"]
    assert [found[1] for found in client.batch([bucket.object("o")]).get()] == [b"data"]


@pytest.mark.parametrize(("token", "message"), [(None, "token required"), ("wrong", "invalid token")])
def test_without_the_right_token_nothing_works(guarded: EmbeddedAIStore, token: str | None, message: str) -> None:
    client = Client(guarded.endpoint, token=token)
    for call in (
        client.bucket("b").object("o").get_reader().read_all,
        client.bucket("b").list_all_objects,
        client.bucket("new").create,
        client.bucket("b").object("o").delete,
        client.cluster().get_info,
    ):
        with pytest.raises(AISError, match=message) as caught:
            call()
        assert caught.value.status_code == 401
    assert not client.cluster().is_ready()


def test_health_is_open(guarded: EmbeddedAIStore) -> None:
    assert requests.get(f"{guarded.endpoint}/v1/health").status_code == 200


def test_targets_serve_only_who_was_sent(guarded: EmbeddedAIStore) -> None:
    if len(guarded.target_endpoints) == 1:
        pytest.skip("with one target, the proxy is the target")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for url in guarded.target_endpoints.values():
        path = "/v1/objects/b/o?provider=ais"
        for query in ("", "&pid=embp0&utm=abc", "&pid=embp0&utm=abc&u=abc"):
            response = requests.get(url + path + query, headers=headers)
            assert (response.status_code, response.json()["status"]) == (403, 403)
            assert "direct target access denied" in response.json()["message"]
    sent = requests.get(f"{guarded.endpoint}/v1/objects/b/o", headers=headers, allow_redirects=False)
    location = sent.headers["Location"]
    assert requests.get(location).content == b"data"
    assert requests.get(location.replace("/b/o", "/b/other")).status_code == 403


def test_the_token_is_never_shown(guarded: EmbeddedAIStore) -> None:
    assert TOKEN not in repr(guarded)
    assert TOKEN not in requests.get(f"{guarded.endpoint}/v1/buckets").text
    command = subprocess.run(["ps", "-o", "args=", "-p", str(guarded.pid)], capture_output=True, text=True)
    assert TOKEN not in command.stdout


def test_a_redirect_is_for_one_verb_and_path(guarded: EmbeddedAIStore) -> None:
    if len(guarded.target_endpoints) == 1:
        pytest.skip("with one target, nobody is redirected")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    sent = requests.get(f"{guarded.endpoint}/v1/objects/b/o", headers=headers, allow_redirects=False)
    location = sent.headers["Location"]
    for verb in ("DELETE", "PUT", "PATCH", "POST", "HEAD"):
        assert requests.request(verb, location, data="x").status_code == 403
    assert requests.get(location).content == b"data"


@pytest.mark.parametrize("value", ["Bearer caf\u00e9", "\u00ff", "Bearer \x80\ufffd"])
def test_an_authorization_that_is_not_ascii_is_a_wrong_one(guarded: EmbeddedAIStore, value: str) -> None:
    answer = requests.get(f"{guarded.endpoint}/v1/objects/b/o", headers={"Authorization": value.encode()})
    assert (answer.status_code, answer.json()["message"]) == (401, 'invalid token from header "Authorization"')
