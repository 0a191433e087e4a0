"""Questions to the server about shards that are on their way, asked while the ones before are read."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from aistorch.errors import AIStorchError
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts


class Inquiries:
    """Asks for what the server knows of shards, one question at a time.

    An answer takes the server about as long as sending the shard, since it goes through the whole archive.

    Args:
        catalog: Whom the answers are for.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: dict[int, Future[Facts | None]] = {}

    def ask(self, shard: int) -> None:
        """Asks about a shard; more often than once is of no use."""
        if shard not in self._under_way:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "aistorch-shards")
            self._under_way[shard] = self._thread.submit(self._answer, shard)

    def of(self, shard: int) -> Future[Facts | None] | None:
        """The answer to come about a shard; None where nobody has asked."""
        return self._under_way.pop(shard, None)

    def close(self) -> None:
        """Ends when the question under way has been answered."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def _answer(self, shard: int) -> Facts | None:
        try:
            return self._catalog.ask_server(shard)
        except AIStorchError:
            return None  # then the shard itself must tell
