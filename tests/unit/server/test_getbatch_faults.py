"""What a client of GetBatch has to be ready for, made to happen."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest
import requests
from aistore.sdk import Bucket

from aistorch.server import EmbeddedAIStore

NAMES = [f"o{i}" for i in range(8)]
MEMBER = 512 + 4096  # header and content


@pytest.fixture(scope="module", params=[1, 3])
def ais(request: pytest.FixtureRequest) -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def bucket(ais: EmbeddedAIStore) -> Bucket:
    made: Bucket = ais.client().bucket("b").create()
    for name in NAMES:
        made.object(name).get_writer().put_content(name.encode() * 2048)
    return made


@pytest.fixture(autouse=True)
def _no_faults_left(ais: EmbeddedAIStore) -> Iterator[None]:
    yield
    ais.faults.clear()


def fetch(ais: EmbeddedAIStore) -> bytes:
    body = {"in": [{"objname": name} for name in NAMES], "strm": True, "coer": True}
    response = requests.get(f"{ais.endpoint}/v1/ml/moss/b", json=body, timeout=20)
    response.raise_for_status()
    return response.content


def test_an_answer_that_ends_early_in_good_order(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    ais.faults.shorten(3 * MEMBER, area="ml")
    assert len(list(ais.client().batch(NAMES, bucket).get())) == 3
    with tarfile.open(fileobj=io.BytesIO(fetch(ais))) as tar:
        assert len(tar.getmembers()) == 3


@pytest.mark.parametrize("how", ["truncate", "drop_after"])
def test_an_answer_that_breaks_off(ais: EmbeddedAIStore, bucket: Bucket, how: str) -> None:
    fault = getattr(ais.faults, how)(3 * MEMBER, area="ml", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        fetch(ais)
    assert fault.hits == 1
    assert len(fetch(ais)) > 8 * MEMBER


def test_an_answer_that_is_refused(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    ais.faults.status(429, area="ml", times=1)
    with pytest.raises(requests.exceptions.HTTPError, match="429"):
        fetch(ais)
    assert len(fetch(ais)) > 8 * MEMBER
