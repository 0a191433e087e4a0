"""Engines are lent to one reader at a time, used again, and left behind by a fork."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from torch.utils.data import get_worker_info

from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import ForkedIteratorError
from aistorch.fetch import pool as pool_module
from aistorch.fetch.engine import Engine
from aistorch.fetch.pool import EnginePool
from aistorch.fetch.settings import ClusterSettings
from tests.support.node_engine import QUICK, content_of, name_of, requests_for, serve
from tests.support.replies import cluster_map
from tests.support.scripted_node import ScriptedNode, answering

CONFIG = ReadConfig(retry=QUICK)
NAMES = [name_of(number, 50) for number in range(20)]
SAMPLES = [(name, content_of(name)) for name in NAMES]


@pytest.fixture(scope="module")
def node() -> Iterator[ScriptedNode]:
    with ScriptedNode(answering(lambda asked: cluster_map({}) if asked.wants_map else serve(asked))) as node:
        yield node


@pytest.fixture
def settings(node: ScriptedNode) -> ClusterSettings:
    return ClusterSettings(node.address)


@pytest.fixture
def pool() -> Iterator[EnginePool]:
    pool = EnginePool()
    yield pool
    pool.clear()


def test_an_engine_given_back_is_lent_again(pool: EnginePool, settings: ClusterSettings) -> None:
    with pool.lend(settings, CONFIG) as first:
        pass
    with pool.lend(settings, CONFIG) as second:
        assert second is first


def test_two_readers_at_once_have_two_engines(pool: EnginePool, settings: ClusterSettings) -> None:
    with pool.lend(settings, CONFIG) as first, pool.lend(settings, CONFIG) as second:
        assert first is not second
        one, other = first.stream(requests_for(NAMES)), second.stream(requests_for(NAMES))
        assert [next(one)[0], next(other)[0]] == [SAMPLES[0], SAMPLES[0]]


def test_other_settings_have_other_engines(pool: EnginePool, settings: ClusterSettings) -> None:
    with pool.lend(settings, CONFIG) as first:
        pass
    with pool.lend(settings, ReadConfig(verify=False)) as second:
        assert second is not first
    with pool.lend(ClusterSettings(settings.endpoint, token="t"), CONFIG) as third:
        assert third is not first


def test_an_engine_that_raised_is_of_further_use(pool: EnginePool, settings: ClusterSettings) -> None:
    def failing() -> Iterator[Engine]:
        with pool.lend(settings, CONFIG) as engine:
            yield engine
            raise LookupError

    reader = failing()
    engine = next(reader)
    with pytest.raises(LookupError):
        next(reader)
    with pool.lend(settings, CONFIG) as again:
        assert again is engine
        assert again.read(requests_for(NAMES)) == SAMPLES


def test_workers_share_the_budget(pool: EnginePool, settings: ClusterSettings) -> None:
    class Info:
        num_workers = 4

    assert get_worker_info() is None
    with patch.object(pool_module, "get_worker_info", Info):
        assert pool_module._readers() == 4
        with pool.lend(settings, ReadConfig(budget=1000)) as engine:
            assert engine._budget == 250
    with pool.lend(settings, ReadConfig(budget=1000)) as engine:
        assert engine._budget == 1000


def test_threads_read_at_the_same_time(pool: EnginePool, settings: ClusterSettings) -> None:
    results: list[list[tuple[str, bytes]]] = []

    def read() -> None:
        for _ in range(5):
            with pool.lend(settings, CONFIG) as engine:
                results.append(engine.read(requests_for(NAMES)))

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [SAMPLES] * 20


def test_connections_that_nobody_wants_for_a_while_are_closed(
    pool: EnginePool, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1000.0
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: clock))
    with pool.lend(settings, CONFIG) as first, pool.lend(settings, CONFIG) as second:
        assert first.read(requests_for(NAMES)) == second.read(requests_for(NAMES)) == SAMPLES
    clock += pool_module.IDLE_SECONDS + 1
    with pool.lend(settings, CONFIG) as used:
        pass
    assert not used._closed
    assert {first._closed, second._closed} == {True, False}
    clock += 1
    with pool.lend(settings, CONFIG) as again:
        assert again is used


def test_of_many_readers_at_once_not_all_leave_their_connections_open(
    pool: EnginePool, settings: ClusterSettings
) -> None:
    with ExitStack() as lent:
        engines = [lent.enter_context(pool.lend(settings, CONFIG)) for _ in range(pool_module.MOST_IDLE + 5)]
    assert sum(not engine._closed for engine in engines) == pool_module.MOST_IDLE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_stream_that_goes_on_in_a_forked_process_is_an_error_that_says_so(settings: ClusterSettings) -> None:
    pool = pool_module.engines
    with pool.lend(settings, CONFIG) as engine:
        stream = engine.stream(requests_for(NAMES * 20))
        next(stream)
        child = os.fork()
        if child == 0:
            try:
                next(stream)
            except ForkedIteratorError as error:
                os._exit(0 if "make another one here" in str(error) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        del stream
    pool.clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_in_mid_stream_leaves_the_parents_connections_alone(settings: ClusterSettings) -> None:
    pool = pool_module.engines
    # A reply that is not seen would be missed for two seconds, and then be an error.
    config = ReadConfig(retry=RetryPolicy(attempts=1, read_timeout=2.0))
    with pool.lend(settings, config) as engine:
        stream = engine.stream(requests_for(NAMES * 20))
        samples = list(next(stream))
        child = os.fork()
        if child == 0:
            try:
                # Dropping what the parent had under way must not disturb it either.
                del stream
                gc.collect()
                with pool.lend(settings, config) as own:
                    os._exit(0 if own is not engine and own.read(requests_for(NAMES)) == SAMPLES else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for run in stream:
            samples += run
    assert samples == SAMPLES * 20
    with pool.lend(settings, config) as again:
        assert again is engine
    pool.clear()
