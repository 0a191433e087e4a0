"""Questions to the server about shards that are on their way, asked while the ones before are read."""

from __future__ import annotations

from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread

from aistorch.errors import AIStorchError
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts

Answer = Future[Facts | None]
_Questions = SimpleQueue[tuple[int, Answer] | None]


class Inquiries:
    """Asks for what the server knows of shards, one question at a time.

    An answer takes the server about as long as sending the shard, since it goes through the whole archive.

    Args:
        catalog: Whom the answers are for.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._questions: _Questions | None = None
        self._under_way: dict[int, Answer] = {}

    def ask(self, shard: int) -> None:
        """Asks about a shard; more often than once is of no use."""
        if shard not in self._under_way:
            self._under_way[shard] = Future()
            self._begin().put((shard, self._under_way[shard]))

    def of(self, shard: int) -> Answer | None:
        """The answer to come about a shard; None where nobody has asked."""
        return self._under_way.pop(shard, None)

    def close(self) -> None:
        """Asks no more. The answer under way is not waited for: its thread ends with it, or with the process."""
        questions, self._questions = self._questions, None
        if questions is None:
            return
        try:
            while question := questions.get_nowait():
                question[1].cancel()
        except Empty:
            questions.put(None)

    def _begin(self) -> _Questions:
        if self._questions is None:
            self._questions = SimpleQueue()
            # Not of a ThreadPoolExecutor, whose threads a process waits for at its end.
            Thread(target=_answer, args=(self._catalog, self._questions), name="aistorch-shards", daemon=True).start()
        return self._questions


def _answer(catalog: Catalog, questions: _Questions) -> None:
    """Answers all questions up to None."""
    while question := questions.get():
        shard, answer = question
        try:
            answer.set_result(catalog.ask_server(shard))
        except AIStorchError:
            answer.set_result(None)  # then the shard itself must tell
        except Exception as error:
            answer.set_exception(error)  # raised where the answer is taken
