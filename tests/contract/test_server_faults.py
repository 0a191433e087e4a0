"""Faults: each goes wrong as it says, for the requests it says, as often as it says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
import tenacity
import urllib3
from aistore.sdk import Bucket, Client, RetryConfig
from aistore.sdk.errors import AISError, ErrObjNotFound

from aistorch.errors import InvalidArgumentError
from aistorch.server import EmbeddedAIStore

DATA = bytes(range(256)) * 8  # small: one write; the large object takes several
LARGE = DATA * 1000
BROKEN = (urllib3.exceptions.ProtocolError, ConnectionError)
NO_RETRY = RetryConfig(
    http_retry=urllib3.Retry(total=0, redirect=None),
    network_retry=tenacity.Retrying(stop=tenacity.stop_after_attempt(1), reraise=True),
)


@pytest.fixture(scope="module", params=[1, 3])
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=request.param) as server:
        bucket = server.client().bucket("b").create()
        for name in ("a/1", "a/2", "b/1"):
            bucket.object(name).get_writer().put_content(DATA)
        bucket.object("large").get_writer().put_content(LARGE)
        yield server


@pytest.fixture
def ais(server: EmbeddedAIStore) -> EmbeddedAIStore:
    server.faults.clear()
    return server


def get(ais: EmbeddedAIStore, name: str = "a/1", **more: str) -> requests.Response:
    return requests.get(f"{ais.endpoint}/v1/objects/b/{name}?provider=ais", headers=more)


def chunks(ais: EmbeddedAIStore, name: str) -> Iterator[bytes]:
    with requests.get(f"{ais.endpoint}/v1/objects/b/{name}", stream=True) as response:
        while chunk := response.raw.read(100):
            yield chunk


def owner(ais: EmbeddedAIStore, name: str) -> str:
    return str(ais.client().cluster().get_info().get_target_for_object(f"ais/@#/b/{name}").daemon_id)


def bucket(ais: EmbeddedAIStore) -> Bucket:
    found: Bucket = Client(ais.endpoint, retry_config=NO_RETRY).bucket("b")
    return found


def test_a_status_a_number_of_times(ais: EmbeddedAIStore) -> None:
    fault = ais.faults.status(503, contains="/1", after=1, times=2)
    assert [get(ais).status_code for _ in range(4)] == [200, 503, 503, 200]
    assert get(ais, "a/2").status_code == 200
    assert fault.hits == 2


def test_each_error_has_the_body_of_aistore(ais: EmbeddedAIStore) -> None:
    for status in (400, 409, 429, 500, 503):
        fault = ais.faults.status(status)
        response = get(ais)
        assert (response.status_code, response.json()["status"]) == (status, status)
        fault.remove()
    assert get(ais).content == DATA


def test_a_404_is_a_missing_object_to_the_sdk(ais: EmbeddedAIStore) -> None:
    ais.faults.status(404, times=1)
    with pytest.raises(ErrObjNotFound):
        bucket(ais).object("a/1").get_reader().read_all()
    assert bucket(ais).object("a/1").get_reader().read_all() == DATA


def test_one_fault_can_be_at_one_target(ais: EmbeddedAIStore) -> None:
    fault = ais.faults.status(500, target=owner(ais, "a/1"), regex="^a/1$")
    other = ais.faults.status(500, target="embt9")
    assert get(ais).status_code == 500
    assert (fault.hits, other.hits) == (1, 0)


def test_a_fault_at_the_proxy_spares_the_targets(ais: EmbeddedAIStore) -> None:
    if len(ais.target_endpoints) == 1:
        pytest.skip("with one target, the proxy is the target")
    ais.faults.status(503, target="embp0")
    assert get(ais).status_code == 503
    direct = ais.target_endpoints[owner(ais, "a/1")]
    assert requests.get(f"{direct}/v1/objects/b/a/1").content == DATA


def test_other_methods_and_areas(ais: EmbeddedAIStore) -> None:
    ais.faults.status(500, method="PUT", prefix="new")
    with pytest.raises(AISError):
        requests_put(ais, "new")
    ais.faults.status(500, area="buckets")
    with pytest.raises(AISError):
        bucket(ais).list_objects()
    ais.faults.status(500, area="daemon", times=1)
    assert not bucket(ais).client.session_manager.session.get(f"{ais.endpoint}/v1/daemon?what=smap").ok
    assert get(ais).status_code == 200


def requests_put(ais: EmbeddedAIStore, name: str) -> None:
    bucket(ais).object(name).get_writer().put_content(b"")


def test_a_delay_is_as_long_as_asked(ais: EmbeddedAIStore) -> None:
    ais.faults.delay(0.3, times=1)
    ais.faults.status(429, times=1)
    begin = time.monotonic()
    assert get(ais).status_code == 429  # both apply
    assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize(("name", "whole"), [("a/1", DATA), ("large", LARGE)])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_truncated_body_announces_more_than_it_has(ais: EmbeddedAIStore, name: str, whole: bytes, count: int) -> None:
    ais.faults.truncate(count, times=1)
    with requests.get(f"{ais.endpoint}/v1/objects/b/{name}", stream=True) as response:
        assert response.headers["Content-Length"] == str(len(whole))
        got = response.raw.read(count)
        assert got == whole[:count]
        with pytest.raises(BROKEN, match="IncompleteRead"):
            response.raw.read()
    assert get(ais, name).content == whole


@pytest.mark.parametrize("count", [0, 1000])
def test_a_dropped_connection_gives_no_more_than_asked_for(ais: EmbeddedAIStore, count: int) -> None:
    ais.faults.drop_after(count, prefix="large", times=1)
    got: list[bytes] = []
    with pytest.raises(BROKEN):
        got.extend(chunks(ais, "large"))
    assert b"".join(got) == LARGE[: len(b"".join(got))]
    assert len(b"".join(got)) <= count
    assert get(ais, "large").content == LARGE


@pytest.mark.parametrize("name", ["a/1", "large"])
def test_a_shortened_body_looks_whole(ais: EmbeddedAIStore, name: str) -> None:
    ais.faults.shorten(1000, times=1)
    with requests.Session() as session:
        url = f"{ais.endpoint}/v1/objects/b/{name}"
        response = session.get(url)
        assert (response.headers["Content-Length"], response.content) == ("1000", LARGE[:1000])
        assert len(session.get(url).content) > 1000


@pytest.mark.parametrize(("name", "offset"), [("a/1", 0), ("a/1", 2047), ("large", 1_234_567)])
def test_one_byte_is_corrupt(ais: EmbeddedAIStore, name: str, offset: int) -> None:
    ais.faults.corrupt(offset, times=1)
    bad, good = get(ais, name).content, get(ais, name).content
    assert [i for i, (a, b) in enumerate(zip(bad, good, strict=True)) if a != b] == [offset]
    assert bad[offset] == good[offset] ^ 0xFF


def test_a_range_is_corrupt_at_an_offset_of_its_own(ais: EmbeddedAIStore) -> None:
    ais.faults.corrupt(1)
    assert get(ais, "large", Range="bytes=10-12").content == bytes([10, 11 ^ 0xFF, 12])


def test_several_faults_apply_in_turn(ais: EmbeddedAIStore) -> None:
    ais.faults.status(503, times=1)
    ais.faults.status(429, after=1, times=1)
    ais.faults.corrupt(0, after=2, times=1)
    assert [get(ais).status_code for _ in range(2)] == [503, 429]
    assert [get(ais).content == DATA for _ in range(2)] == [False, True]


def test_a_stopped_target_refuses_connections_until_it_is_back(ais: EmbeddedAIStore) -> None:
    target = owner(ais, "a/1")
    url = ais.target_endpoints[target]
    with requests.Session() as session:
        assert session.get(f"{url}/v1/health").status_code == 200
        ais.faults.stop_target(target)
        with pytest.raises(requests.ConnectionError):
            session.get(f"{url}/v1/health")
        with pytest.raises(requests.ConnectionError):
            get(ais)
        ais.faults.stop_target(target)
        ais.faults.start_target(target)
        ais.faults.start_target(target)
        assert ais.target_endpoints[target] == url
        assert get(ais).content == DATA


def test_the_proxy_can_be_gone_while_targets_serve(ais: EmbeddedAIStore) -> None:
    direct = ais.target_endpoints[owner(ais, "a/1")]
    ais.faults.stop_proxy()
    with pytest.raises(requests.ConnectionError):
        get(ais)
    if len(ais.target_endpoints) > 1:
        assert requests.get(f"{direct}/v1/objects/b/a/1").content == DATA
    ais.faults.start_proxy()
    assert get(ais).content == DATA


def test_a_stop_breaks_a_body_under_way(ais: EmbeddedAIStore) -> None:
    size = 32 << 20  # more than fits into the buffers of a connection
    bucket(ais).object("huge").get_writer().put_content(bytes(size))
    body = chunks(ais, "huge")
    next(body)
    ais.faults.stop_target(owner(ais, "huge"))
    with pytest.raises(BROKEN):
        list(body)


def test_relocated_objects_are_found_by_the_proxy_only(ais: EmbeddedAIStore) -> None:
    if len(ais.target_endpoints) == 1:
        pytest.skip("one target has nowhere to move objects to")
    before = ais.client().cluster().get_info()
    target = owner(ais, "a/1")
    ais.faults.relocate(target)
    after = ais.client().cluster().get_info()
    assert after.version > before.version
    assert owner(ais, "a/1") != target
    assert requests.get(f"{ais.target_endpoints[target]}/v1/objects/b/a/1").status_code == 404
    assert get(ais).content == DATA
    located = bucket(ais).list_all_objects(prefix="a/1", props="location")[0].location
    assert located.startswith(f"t[{owner(ais, 'a/1')}]")
    ais.faults.relocate_back(target)
    assert owner(ais, "a/1") == target
    assert ais.client().cluster().get_info().version > after.version


def test_clear_ends_everything(ais: EmbeddedAIStore) -> None:
    ais.faults.status(503)
    target = owner(ais, "a/1")
    ais.faults.relocate(target) if len(ais.target_endpoints) > 1 else None
    ais.faults.stop_target(target)
    ais.faults.stop_proxy()
    ais.faults.clear()
    assert get(ais).content == DATA
    assert owner(ais, "a/1") == target


def test_mistakes_are_told(ais: EmbeddedAIStore) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no node 'embt9'.*embp0"):
        ais.faults.stop_target("embt9")
    with pytest.raises(InvalidArgumentError, match="no target 'embp0'"):
        ais.faults.relocate("embp0")
    with pytest.raises(InvalidArgumentError, match="invalid regular expression"):
        ais.faults.status(503, regex="[")
    with pytest.raises(ValueError, match="200 is not an error status"):
        ais.faults.status(200)
    with pytest.raises(InvalidArgumentError, match="colour"):
        ais.faults.delay(1, colour="red")  # type: ignore[call-arg]
    if len(ais.target_endpoints) == 1:
        with pytest.raises(InvalidArgumentError, match="only target"):
            ais.faults.relocate("embt1")
