"""Reading and writing over TLS: the same samples, by certificates that are trusted and by no others."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aistore.sdk import Client

from aistorch import AISIterDataset, AISMapDataset, ShardWriter
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import EndpointUnreachableError, ReadError
from tests.support.loading import load
from tests.support.objects import content, in_order, new_bucket

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")

SIZES = [0, 1, 4096, 20_000, 70_000, 300_000]
CONTENTS = {f"o{number:03}": content(f"tls{number}", SIZES[number % len(SIZES)]) for number in range(40)}
CONTENTS["large"] = content("large", 5 << 20)
EXPECTED = in_order(CONTENTS)


@pytest.fixture(autouse=True)
def own_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    # These variables win over whatever the SDK was told.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed certificate of 127.0.0.1, `cert`, and its `key`."""
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl` on PATH to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module", params=[1, 3], ids=["1-target", "3-targets"])
def stored(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[Any, str]]:
    """A server, and the name of a bucket there."""
    files = {"cert": certificate / "cert", "key": certificate / "key"}
    with (
        server_module.EmbeddedAIStore(targets=request.param, token="top-secret", **files) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        patch.delenv("CURL_CA_BUNDLE", raising=False)
        client = Client(server.endpoint, ca_cert=str(certificate / "cert"), token="top-secret")
        with new_bucket(client, CONTENTS) as bucket:
            yield server, bucket.name


def trusting(stored: tuple[Any, str], certificate: Path) -> Any:
    server, name = stored
    return Client(server.endpoint, ca_cert=str(certificate / "cert"), token="top-secret").bucket(name)


@pytest.mark.parametrize("config", [ReadConfig(), ReadConfig(in_flight=2), ReadConfig(split_from=1 << 20)])
def test_samples_are_the_same(stored: tuple[Any, str], certificate: Path, config: ReadConfig) -> None:
    bucket = trusting(stored, certificate)
    by_index, in_turn = AISMapDataset(bucket, config=config), AISIterDataset(bucket, config=config)
    for _ in range(2):
        assert by_index.__getitems__(list(range(len(by_index)))) == EXPECTED
        assert list(in_turn) == EXPECTED
    assert load(by_index, 2, "fork", batch_size=5) == EXPECTED


def test_connections_that_break(stored: tuple[Any, str], certificate: Path) -> None:
    server, _ = stored
    dataset = AISMapDataset(
        trusting(stored, certificate), config=ReadConfig(retry=RetryPolicy(attempts=20, backoff=0.01))
    )
    for fault in (server.faults.drop_after, server.faults.truncate, server.faults.corrupt):
        fault(100, times=5)
        assert dataset.__getitems__(list(range(len(dataset)))) == EXPECTED
    server.faults.clear()


def test_a_certificate_that_is_not_trusted(stored: tuple[Any, str]) -> None:
    server, name = stored
    began = time.monotonic()
    with pytest.raises(EndpointUnreachableError, match="AIS_CLIENT_CA to the certificate of its authority"):
        AISMapDataset(Client(server.endpoint, token="top-secret").bucket(name))
    # The SDK alone would try for minutes.
    assert time.monotonic() - began < 10
    # Read without having been listed.
    group = Client(server.endpoint, token="top-secret").bucket(name).objects(obj_names=["o001"])
    dataset = AISMapDataset(group, config=ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01)))
    with pytest.raises(ReadError, match=r"(?i)certificate"):
        dataset[0]


def test_shards_are_written(stored: tuple[Any, str], certificate: Path) -> None:
    bucket = trusting(stored, certificate)
    samples = {f"s{number}": content(f"s{number}", 7 << 20) for number in range(3)}
    with ShardWriter(bucket, prefix="written") as writer:
        for key, body in samples.items():
            writer.write(key, {"bin": body})
    archive = bucket.object(writer.shards[0].name).get_reader().read_all()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    for name in (writer.shards[0].name, f"{writer.shards[0].name}.idx"):
        bucket.object(name).delete()
    assert found == {f"{key}.bin": body for key, body in samples.items()}


@pytest.mark.filterwarnings("ignore:Skipping SSL certificate verification:UserWarning")
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_unless_certificates_are_not_verified(stored: tuple[Any, str]) -> None:
    server, name = stored
    bucket = Client(server.endpoint, skip_verify=True, token="top-secret").bucket(name)
    assert list(AISIterDataset(bucket)) == EXPECTED


def test_an_authority_named_by_the_environment(
    stored: tuple[Any, str], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = stored
    monkeypatch.setenv("AIS_CLIENT_CA", str(certificate / "cert"))
    monkeypatch.setenv("AIS_AUTHN_TOKEN", "top-secret")
    dataset = AISIterDataset(client_url=server.endpoint, urls_list=f"ais://{name}")
    assert list(dataset) == EXPECTED
