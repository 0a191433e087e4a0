"""Clients' regular expressions, held in a process of their own so that none can stop the server (`regex_worker`).

AIStore has an engine whose time grows with the length of the text alone; Python's has not. A process keeps the whole
syntax, needs no further package, and costs some 20 ms for an archive.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from aistorch.server import regex_worker
from aistorch.server.http_errors import BadRequest
from aistorch.server.regex_worker import CPU_SECONDS

_ANSWER_SECONDS = 60.0  # for a machine that has other things to do; the process's own time ends far earlier


class InvalidSelection(BadRequest):
    """An unknown mode, or a regular expression that is none."""


class RegexProcess:
    """Finds a regular expression in names, from one thread at a time; a context manager.

    Args:
        pattern: In Python's syntax.

    Raises:
        InvalidSelection: It is no regular expression.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and program
            [sys.executable, "-I", "-S", str(Path(regex_worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the server, which ends its processes
        )
        try:
            if (wrong := self._ask(pattern)) is not None:
                raise InvalidSelection(f"{pattern!r} is not a regular expression: {wrong}")
        except BaseException:
            self.close()
            raise

    def __call__(self, name: str) -> bool:
        """Whether the pattern is found in the name.

        Raises:
            BadRequest: It takes too long.
        """
        return bool(self._ask(name))

    def close(self) -> None:
        """Ends the process, whatever it does."""
        process = self._process
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it was told last, it may never have read
                    pipe.close()

    def __enter__(self) -> RegexProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, text: str) -> Any:
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            raise BadRequest(self._too_long())
        with contextlib.suppress(BrokenPipeError):  # it has died, which the answer tells
            questions.write(json.dumps(text) + "\n")
            questions.flush()
        # There is one answer to a question, so nothing waits in the buffer where `select` would not see it.
        answer = answers.readline() if select.select([answers], [], [], _ANSWER_SECONDS)[0] else ""
        if not answer:
            raise BadRequest(self._too_long())
        return json.loads(answer)

    def _too_long(self) -> str:
        return f"looking for {self._pattern!r} takes more than {CPU_SECONDS} s of one processor; make it simpler"
