"""One item ahead: while an item is used, a thread works on the next."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

CLOSE_TIMEOUT = 5.0
"""Seconds that closing waits for an item under way; one that hangs longer does not keep a process alive."""


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items; each but the first is made in a thread while the one before it is used.

    What making an item raises is raised where the item would have come. No thread outlives the generator.
    """
    # The first is waited for in any case.
    following = next(items, None)
    thread: Thread | None = None
    try:
        while following is not None:
            item, future = following, Future[T | None]()
            thread = Thread(target=_make_next, args=(items, future), name="aistorch-read-ahead", daemon=True)
            thread.start()
            yield item
            following = future.result()
            thread.join()
    finally:
        if thread is not None:
            thread.join(CLOSE_TIMEOUT)


def _make_next(items: Iterator[T], future: Future[T | None]) -> None:
    try:
        future.set_result(next(items, None))
    except BaseException as error:  # handed over to whoever waits for the item
        future.set_exception(error)
