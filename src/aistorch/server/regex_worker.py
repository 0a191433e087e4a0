"""The program in which a client's regular expression is looked for in names.

Python's engine tries every way in which a pattern can match, and holds the interpreter while it does: `(a+)+$` takes
longer than anybody lives. So it runs in a process that the system ends when it has used up its time.

It is run as a file of its own (`regex_process`), not as a module of the package, whose import takes ten times as long
as all the rest. So it imports nothing of it.

Each line of stdin is a text in JSON: first the pattern, answered with `null` or with what is wrong with it; then names,
each answered with `true` or `false`.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import sys
import warnings

CPU_SECONDS = 3
"""For one archive: enough for some 100,000 names."""

_MEMORY = 512 << 20


def main() -> None:
    """Answers until stdin ends."""
    _limit()
    warnings.simplefilter("ignore")  # what the pattern's author may have meant otherwise
    try:
        search = re.compile(json.loads(sys.stdin.readline())).search
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        _reply(str(error) or type(error).__name__)
        return
    _reply(None)
    for line in sys.stdin:
        _reply(search(json.loads(line)) is not None)


def _limit() -> None:
    for kind, most in ((resource.RLIMIT_CPU, CPU_SECONDS), (resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # no system has all of them
            resource.setrlimit(kind, (most, most))


def _reply(answer: str | bool | None) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
