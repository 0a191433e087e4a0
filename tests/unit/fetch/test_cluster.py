"""The map of a cluster: asked for when needed and no more often, kept while it cannot be had."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from aistorch.fetch import cluster as module
from aistorch.fetch.address import Address
from aistorch.fetch.cluster import Cluster
from aistorch.fetch.settings import ClusterSettings
from tests.support.replies import cluster_map, plain, refusal
from tests.support.scripted_node import Asked, ScriptedNode, Wire, answering


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The map may be asked for again at any time."""
    monkeypatch.setattr(module, "REFRESH_INTERVAL", 0.0)


def settings_of(node: ScriptedNode, token: str | None = None) -> ClusterSettings:
    return ClusterSettings(node.address, token=token, connect_timeout=1.0)


def test_the_map_is_asked_for_when_first_needed_and_once() -> None:
    with ScriptedNode(answering(lambda _: cluster_map({"t1": "http://127.0.0.1:7001"}, version=4))) as proxy:
        cluster = Cluster(settings_of(proxy, "secret"))
        assert proxy.asked == []
        assert cluster.address_of("t1") == Address("127.0.0.1", 7001)
        assert cluster.address_of("t2") is None
        assert cluster.address_of(None) is None
        assert cluster.refresh()
        (asked,) = proxy.asked
    assert (cluster.version, cluster.target_count) == (4, 1)
    assert asked.target == "/v1/daemon?what=smap"
    assert asked.headers["authorization"] == "Bearer secret"


@pytest.mark.usefixtures("at_once")
def test_a_newer_map_is_taken_over() -> None:
    maps = iter(
        [
            cluster_map({"t1": "http://127.0.0.1:7001", "t2": "http://127.0.0.1:7002"}, version=4),
            cluster_map({"t1": "http://127.0.0.1:7001", "t2": "http://127.0.0.1:7002"}, version=4),
            cluster_map({"t2": "http://127.0.0.1:7003"}, version=5),
        ]
    )
    with ScriptedNode(answering(lambda _: next(maps))) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert [cluster.refresh(), cluster.refresh(), cluster.refresh()] == [True, True, True]
    assert cluster.address_of("t1") is None
    assert cluster.address_of("t2") == Address("127.0.0.1", 7003)
    assert cluster.placement.targets_of([b"ais/@#/b/o"]) == ["t2"]


@pytest.mark.parametrize("flag", [4, 8, 16 | 4])
def test_targets_that_leave_are_not_asked(flag: int) -> None:
    urls = {"t1": "http://127.0.0.1:7001", "t2": "http://127.0.0.1:7002"}
    with ScriptedNode(answering(lambda _: cluster_map(urls, flags={"t1": flag}))) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert cluster.address_of("t1") is None
        assert cluster.address_of("t2") is not None
        assert cluster.target_count == 1
        assert set(cluster.placement.targets_of(b"ais/@#/b/%d" % n for n in range(50))) == {"t2"}


def test_where_targets_may_not_be_asked_none_has_an_address() -> None:
    with ScriptedNode(answering(lambda _: cluster_map({"t1": "http://127.0.0.1:7001"}))) as proxy:
        cluster = Cluster(settings_of(proxy))
        cluster.direct = False
        assert cluster.address_of("t1") is None
        assert proxy.asked == []


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "reply",
    [
        refusal(503, "starting"),
        plain(200, b"no JSON"),
        plain(200, b"{}"),
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"",
        cluster_map({"t1": "http://127.0.0.1:7001"}).replace(b'"version": "1"', b'"version": "x"'),
    ],
)
def test_a_map_that_cannot_be_had_leaves_the_old_one(reply: bytes) -> None:
    replies = iter([cluster_map({"t1": "http://127.0.0.1:7001"}, version=4), reply])

    def answer(_: Asked) -> bytes:
        return next(replies, b"")

    with ScriptedNode(answering(answer)) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert cluster.refresh()
        assert not cluster.refresh()
    assert cluster.version == 4
    assert cluster.address_of("t1") == Address("127.0.0.1", 7001)


def test_nobody_there_is_no_error() -> None:
    with ScriptedNode(answering(lambda _: b"")) as gone:
        address = gone.address
    cluster = Cluster(ClusterSettings(address, connect_timeout=1.0))
    assert cluster.address_of("t1") is None
    assert cluster.placement.targets_of([b"ais/@#/b/o"]) == [None]
    assert cluster.version == 0


def test_a_gateways_path_is_kept() -> None:
    with ScriptedNode(answering(lambda _: cluster_map({}))) as proxy:
        Cluster(ClusterSettings(proxy.address, path="/gateway/v1")).refresh()
        assert [asked.target for asked in proxy.asked] == ["/gateway/v1/daemon?what=smap"]


@pytest.mark.parametrize("url", ["", "127.0.0.1:7001", "http://[::1"])
def test_a_target_that_tells_no_address_is_asked_through_the_proxy(url: str) -> None:
    with ScriptedNode(answering(lambda _: cluster_map({"t1": url, "t2": "http://127.0.0.1:7002"}))) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert cluster.address_of("t1") is None
        assert cluster.address_of("t2") == Address("127.0.0.1", 7002)


def test_a_map_asked_for_before_something_happened_does_not_tell_of_it() -> None:
    with ScriptedNode(answering(lambda _: cluster_map({}, version=len(proxy.asked)))) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert cluster.refresh()
        assert cluster.refresh()
        happened = time.monotonic()
        assert cluster.refresh(newer_than=happened)
        assert cluster.refresh(newer_than=happened)
        assert cluster.version == 2


def test_a_map_that_cannot_be_had_is_asked_for_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock))
    with ScriptedNode(answering(lambda _: refusal(503, "starting"))) as proxy:
        cluster = Cluster(settings_of(proxy))
        for _ in range(1000):
            assert not cluster.refresh(newer_than=clock)
            assert cluster.address_of("t1") is None
            clock += 0.1
        assert 4 < len(proxy.asked) < 12


@pytest.mark.parametrize(
    "lie",
    [
        cluster_map({"t1": "http://127.0.0.1:7001"}, version=5).replace(b'"id_digest": ', b'"id_digest": -'),
        cluster_map({"t1": "http://127.0.0.1:7001"}, version=5).replace(b'"version": "5"', b'"version": "five"'),
    ],
)
def test_a_map_with_impossible_numbers_is_none(lie: bytes) -> None:
    with ScriptedNode(answering(lambda _: lie)) as proxy:
        cluster = Cluster(settings_of(proxy))
        assert not cluster.refresh()
        assert cluster.address_of("t1") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:0", "http://h..example:80", "http://" + "a" * 70 + ".example"])
def test_a_target_at_an_address_that_cannot_be_is_asked_through_the_proxy(url: str) -> None:
    with ScriptedNode(answering(lambda _: cluster_map({"t1": url}))) as proxy:
        assert Cluster(settings_of(proxy)).address_of("t1") is None


@pytest.mark.usefixtures("at_once")
def test_a_cluster_is_at_rest_while_no_target_comes_or_goes_and_no_data_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, targets, jobs, version = 1000.0, {"t1", "t2"}, b"[]", 1
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock))

    def talk(wire: Wire) -> None:
        for asked in wire.requests():
            urls = dict.fromkeys(targets, "http://127.0.0.1:7001")
            wire.send(plain(200, jobs) if asked.asks_for_jobs else cluster_map(urls, version=version))

    with ScriptedNode(talk) as proxy:
        cluster = Cluster(settings_of(proxy))
        cluster.refresh()
        assert cluster.is_settled(60)
        assert cluster.away_since("t1") is None
        jobs = b'["rebalance[g1]"]'
        assert not cluster.is_settled(60)
        targets, version, jobs = {"t1"}, 2, b"[]"
        cluster.refresh()
        assert cluster.away_since("t2") == clock
        assert cluster.away_since("t3") == clock
        clock += 50
        assert not cluster.is_settled(60)
        clock += 20
        assert cluster.is_settled(60)
        assert cluster.away_since("t2") == clock - 70
        targets, version = {"t1", "t2", "t4"}, 3
        cluster.refresh()
        assert cluster.away_since("t2") is None
        assert not cluster.is_settled(60)
        clock += module.SETTLING
        assert not cluster.is_settled(81)  # t3 is away since
        assert cluster.is_settled(60)
