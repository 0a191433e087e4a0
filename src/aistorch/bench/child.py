"""A process that makes one measurement: a task comes as JSON on standard input, figures go to standard output.

python -m aistorch.bench.child
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

from aistorch.bench.errors import BenchmarkError
from aistorch.bench.http_client import round_trip
from aistorch.bench.task import Figures, Task

_TIMEOUT = 900.0  # seconds


def run_task(task: Task) -> Figures | None:
    """Has a fresh process do it; returns its figures, None for a verification.

    Raises:
        BenchmarkError: It failed; the message has the last line it wrote.
    """
    # Its paths are those of this process, so that it finds the very same packages.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        ended = subprocess.run(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", __name__],
            input=task.to_json(),
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{task.contender} was not done after {_TIMEOUT:.0f} s") from error
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"ended with status {ended.returncode}"]
        raise BenchmarkError(f"{task.contender}: {lines[-1]}")
    figures = json.loads(ended.stdout.strip().splitlines()[-1])
    return Figures(**figures) if figures else None


def _main() -> None:
    task = Task.from_json(sys.stdin.read())
    figures = _do(task)
    sys.stdout.write(f"\n{json.dumps(asdict(figures) if figures else None)}\n")


def _do(task: Task) -> Figures | None:
    if not task.detours:
        return _measure(task)
    from aistorch.bench import detour

    usual = round_trip(task.endpoint)
    detour.install({detour.place(here): detour.place(there) for here, there in task.detours.items()})
    latency = round_trip(task.endpoint) - usual
    figures = _measure(task)
    return replace(figures, latency_seconds=latency) if figures else None


def _measure(task: Task) -> Figures | None:
    if task.contender == "two-pages":
        from aistorch.bench.two_pages import measure_two_pages

        return measure_two_pages(task)
    # Imported only here: nothing else needs torch.
    if task.kind == "verify":
        from aistorch.bench.verify import verify

        verify(task)
        return None
    from aistorch.bench.measure import measure

    return measure(task)


if __name__ == "__main__":
    _main()
