"""Targets that leave and come back: what they hold is waited for, and what was deleted is told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aistorch.config import ReadConfig
from aistorch.errors import ObjectNotFoundError, SlowReadWarning
from aistorch.fetch import cluster as cluster_module
from aistorch.fetch import engine as engine_module
from tests.support.node_engine import QUICK, content_of, engine_for, name_of, requests_for, serve
from tests.support.replies import cluster_map, redirect, refusal
from tests.support.scripted_node import Asked, ScriptedNode, Wire, answering

NAMES = [name_of(number, 50 + number) for number in range(40)]


def samples(names: list[str]) -> list[tuple[str, bytes]]:
    return [(name, content_of(name)) for name in names]


def missing(asked: Asked) -> bytes:
    return refusal(404, f"ais://bck/{asked.name} does not exist")


class Front:
    """A proxy whose map has target `t1`, unless that is away; it serves the objects itself, once t1 is back.

    Args:
        url: Where `t1` listens.
        misses: How many requests are answered 404 while it is away.
    """

    def __init__(self, url: str, misses: int) -> None:
        self.url, self.misses, self.version = url, misses, 1

    def __call__(self, asked: Asked) -> bytes:
        if asked.wants_map:
            here = self.version != 2
            return cluster_map({"t1": self.url, "t2": self.url} if here else {"t2": self.url}, version=self.version)
        if self.version == 1:
            self.version = 2
        if self.version == 2 and self.misses:
            self.misses -= 1
            return missing(asked)
        self.version = 3
        return serve(asked)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "REFRESH_INTERVAL", 0.0)


@pytest.mark.parametrize("misses", [1, 30, 200])
def test_what_a_target_held_is_waited_for_until_it_is_back(misses: int) -> None:
    with ScriptedNode(answering(missing)) as target:
        front = Front(target.url, misses)
        with ScriptedNode(answering(front)) as proxy, engine_for(proxy) as engine:
            assert engine.read(requests_for(NAMES, "t1")) == samples(NAMES)


def test_it_is_waited_for_even_if_another_request_has_seen_the_change_before() -> None:
    with ScriptedNode(answering(missing)) as target:
        front = Front(target.url, 100)
        with ScriptedNode(answering(front)) as proxy, engine_for(proxy) as engine:
            cluster = engine._transport._cluster
            cluster.refresh()
            front.version = 2
            cluster.refresh()
            assert cluster.version == 2
            assert engine.read(requests_for(NAMES[:5], "t1")) == samples(NAMES[:5])


def test_a_target_that_stays_away_costs_patience_once_and_not_for_each_object() -> None:
    with ScriptedNode(answering(missing)) as target:
        front = Front(target.url, 10**6)
        config = ReadConfig(retry=replace(QUICK, patience=0.5))
        with ScriptedNode(answering(front)) as proxy, engine_for(proxy, config) as engine:
            for name in NAMES[:3]:
                with pytest.raises(ObjectNotFoundError) as raised:
                    engine.read(requests_for([name], "t1"))
                assert "The target t[t1] that held it has left the cluster" in str(raised.value)
                assert raised.value.name == f"ais://bck/{name}"
                asked = len(proxy.objects())
            engine.read([])
            with pytest.raises(ObjectNotFoundError):
                engine.read(requests_for([NAMES[9]], "t1"))
            assert len(proxy.objects()) == asked + 1


def test_an_object_deleted_on_a_quiet_cluster_is_told_without_a_pause() -> None:
    def front(asked: Asked) -> bytes:
        return cluster_map({"t1": target.url}) if asked.wants_map else missing(asked)

    with (
        ScriptedNode(answering(missing)) as target,
        ScriptedNode(answering(front)) as proxy,
        engine_for(proxy, ReadConfig()) as engine,
    ):
        with pytest.raises(ObjectNotFoundError, match="deleted since"):
            engine.read(requests_for(NAMES[:1], "t1"))
        assert len(target.objects()) == len(proxy.objects()) == 1


def test_an_object_missing_while_data_is_moved_is_waited_for() -> None:
    with ScriptedNode(answering(missing)) as target:
        jobs = 0

        def front(asked: Asked) -> bytes:
            if asked.wants_map:
                return cluster_map({"t1": target.url})
            return missing(asked) if jobs < 5 else serve(asked)

        def talk(wire: Wire) -> None:
            nonlocal jobs
            for asked in wire.requests():
                if asked.asks_for_jobs:
                    jobs += 1
                    wire.send(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n["rebalance[g1]"]')
                    return
                wire.send(front(asked))

        with ScriptedNode(talk) as proxy, engine_for(proxy) as engine:
            assert engine.read(requests_for(NAMES[:2], "t1")) == samples(NAMES[:2])
        assert jobs >= 5


def test_a_wait_is_told_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "TELLING_AFTER", 0.05)
    with ScriptedNode(answering(missing)) as target:
        front = Front(target.url, 30)
        with (
            ScriptedNode(answering(front)) as proxy,
            engine_for(proxy) as engine,
            pytest.warns(SlowReadWarning, match=r"ais://bck/o 0/50.bin has been waited for .* t\[t1\] .* has left"),
        ):
            assert engine.read(requests_for(NAMES[:1], "t1")) == samples(NAMES[:1])


@pytest.mark.parametrize("holder", [serve, missing], ids=["kept in copies", "not kept in copies"])
def test_where_a_target_does_not_answer_another_is_asked_at_once(holder: Callable[[Asked], bytes]) -> None:
    """As a target that was killed: the proxy goes on to send clients there."""
    with ScriptedNode(answering(serve)) as gone:
        pass
    pause = 60.0 if holder is serve else 0.01
    config = ReadConfig(retry=replace(QUICK, attempts=3, backoff=pause, backoff_max=pause))
    with ScriptedNode(answering(holder)) as other:

        def front(asked: Asked) -> bytes:
            if asked.wants_map:
                return cluster_map({"t1": gone.url, "t2": other.url})
            return redirect(f"{gone.url}{asked.target}&pid=p1")

        with ScriptedNode(answering(front)) as proxy, engine_for(proxy, config) as engine:
            if holder is serve:
                assert engine.read(requests_for(NAMES, "t1")) == samples(NAMES)
            else:
                with pytest.raises(Exception, match="cannot connect"):
                    engine.read(requests_for(NAMES, "t1"))
            assert all(asked.query == {"provider": "ais"} for asked in other.objects())
