"""The beginning of an append."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aistorch.server.append import _begun


class SlowBucket:
    """A bucket whose writers take a while to make."""

    def __init__(self) -> None:
        self.asked, self.may_go_on, self.aborted = threading.Event(), threading.Event(), threading.Event()

    def __contains__(self, name: str) -> bool:
        return False

    def writer(self, name: str) -> Any:
        self.asked.set()
        assert self.may_go_on.wait(20)
        return self

    def abort(self) -> None:
        self.aborted.set()


def test_a_writer_that_is_made_after_its_connection_broke_is_dropped() -> None:
    bucket: Any = SlowBucket()

    async def run() -> None:
        handler = asyncio.ensure_future(_begun(bucket, "o"))
        await asyncio.to_thread(bucket.asked.wait, 20)
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        bucket.may_go_on.set()
        assert await asyncio.to_thread(bucket.aborted.wait, 20)

    asyncio.run(run())
