"""One call in a thread of its own, so that a page is on its way while the one before it is used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

CLOSE_TIMEOUT = 5.0
"""Seconds that closing waits for a call under way; one that hangs longer does not keep a process alive."""


class ReadAhead(Generic[T]):
    """Starts `call` at once; `result` waits for what it returns."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._thread = Thread(target=self._run, args=(call,), name="aistorch-read-ahead", daemon=True)
        self._thread.start()

    def result(self) -> T:
        """What the call returned; what it raised is raised."""
        value = self._future.result()
        self._thread.join()
        return value

    def close(self) -> None:
        """Let the call end, its result not being wanted."""
        self._thread.join(CLOSE_TIMEOUT)

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as error:  # handed over to whoever asks for the result
            self._future.set_exception(error)
