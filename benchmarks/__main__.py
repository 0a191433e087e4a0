"""Runs `aistorch bench` on a real cluster where one can be had, else on the embedded server; `make bench` comes here.

A cluster of one's own is named by `AIS_ENDPOINT`. Without it a proxy and three targets are started, where an
`aisnode` is on PATH and this process is in a private network (`tests/support/private_network.py`).
A run of all workloads keeps its results and its chart in `benchmarks/results`.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aistorch.cli.main import run
from tests.support.cluster import Cluster, why_no_cluster

_RESULTS = Path(__file__).parent / "results"
_PARTIAL = ("--quick", "--only", "--clean", "--help")


def main(arguments: list[str]) -> None:
    # Without this, a run that is told to stop would leave its cluster behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with cluster() as endpoint:
        chosen = ["--endpoint", endpoint] if endpoint else []
        files = _files("cluster" if endpoint else "embedded", arguments)
        sys.argv = ["aistorch", "bench", *chosen, *files, *arguments]
        run()


@contextmanager
def cluster() -> Iterator[str]:
    """The endpoint of a real cluster, or nothing."""
    if endpoint := os.environ.get("AIS_ENDPOINT"):
        yield endpoint
    elif reason := why_no_cluster():
        sys.stderr.write(f"{reason}; measuring the embedded server\n")
        yield ""
    else:
        with tempfile.TemporaryDirectory(prefix="aistorch-bench-") as home, Cluster(Path(home)) as cluster:
            yield cluster.endpoint


def _files(name: str, arguments: list[str]) -> list[str]:
    """Where a complete run leaves what it found; a partial one leaves nothing unless told to."""
    if any(each.startswith(_PARTIAL) for each in arguments):
        return []
    return ["--json", str(_RESULTS / f"{name}.json"), "--chart", str(_RESULTS / f"{name}.png")]


if __name__ == "__main__":
    main(sys.argv[1:])
