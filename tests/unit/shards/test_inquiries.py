"""Questions to the server: answered one by one, and left alone when nobody wants the answers any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any, cast

import pytest

from aistorch.errors import ServerError
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts
from aistorch.shards.inquiries import Inquiries

PATIENCE = 30.0


class SlowCatalog:
    """Knows of shard n that it has n samples, once it may answer; -1 is an error of the server, -2 one of ours."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.begun, self.may_answer = Event(), Event()

    def ask_server(self, shard: int) -> Facts | None:
        self.asked.append(shard)
        self.begun.set()
        assert self.may_answer.wait(PATIENCE)
        if shard == -1:
            raise ServerError("refused")
        if shard == -2:
            raise ZeroDivisionError
        return Facts((), by_key=False, samples=shard)


def made() -> tuple[SlowCatalog, Inquiries]:
    catalog = SlowCatalog()
    return catalog, Inquiries(cast(Catalog, catalog))


def answer_of(inquiries: Inquiries, shard: int) -> Any:
    answer = inquiries.of(shard)
    assert answer is not None
    return answer.result(PATIENCE)


@pytest.fixture
def threads() -> Callable[[], list[Thread]]:
    """Those that ask, of this test alone."""
    before = set(threading.enumerate())
    return lambda: [each for each in threading.enumerate() if each.name == "aistorch-shards" and each not in before]


def test_each_question_is_asked_once_in_order(threads: Callable[[], list[Thread]]) -> None:
    catalog, inquiries = made()
    catalog.may_answer.set()
    for shard in (3, 1, 3, 2):
        inquiries.ask(shard)
    assert len(threads()) <= 1
    assert [answer_of(inquiries, shard).samples for shard in (1, 2, 3)] == [1, 2, 3]
    assert catalog.asked == [3, 1, 2]
    assert inquiries.of(3) is None  # taken
    assert inquiries.of(9) is None  # never asked
    inquiries.close()


def test_what_the_server_refuses_is_unknown_and_what_is_wrong_here_is_raised() -> None:
    catalog, inquiries = made()
    catalog.may_answer.set()
    for shard in (-1, -2, 5):
        inquiries.ask(shard)
    assert answer_of(inquiries, -1) is None
    with pytest.raises(ZeroDivisionError):
        answer_of(inquiries, -2)
    assert answer_of(inquiries, 5).samples == 5
    inquiries.close()


def test_closing_waits_for_no_answer_and_asks_nothing_more(threads: Callable[[], list[Thread]]) -> None:
    catalog, inquiries = made()
    for shard in range(3):
        inquiries.ask(shard)
    assert catalog.begun.wait(PATIENCE)
    (thread,) = threads()
    answers = [inquiries.of(shard) for shard in range(3)]
    inquiries.close()  # while the first answer is under way
    assert thread.is_alive()
    assert thread.daemon  # no process waits for it
    inquiries.close()
    catalog.may_answer.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert catalog.asked == [0]
    assert [cast("Future[Any]", answer).cancelled() for answer in answers] == [False, True, True]


def test_a_closed_one_without_questions_has_no_thread(threads: Callable[[], list[Thread]]) -> None:
    _, inquiries = made()
    inquiries.close()
    assert threads() == []
    catalog, inquiries = made()
    catalog.may_answer.set()
    inquiries.ask(1)
    answer_of(inquiries, 1)
    (thread,) = threads()
    inquiries.close()
    thread.join(PATIENCE)
    assert threads() == []
