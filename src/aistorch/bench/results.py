"""All that a run has found, as it is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aistorch.bench.servers import ServerInfo
from aistorch.bench.task import Run
from aistorch.bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Results:
    """A benchmark's outcome.

    Attributes:
        date: When it began, in UTC.
        server: What was measured.
        machine: Where.
        versions: With what.
        quick: Whether buckets were too small for figures that mean something.
        workloads: What was to be done.
        runs: Every single measurement.
    """

    date: str
    server: ServerInfo
    machine: dict[str, str | int]
    versions: dict[str, str]
    quick: bool
    workloads: Sequence[Workload]
    runs: Sequence[Run]

    @property
    def failed(self) -> list[Run]:
        """Measurements that have no figures."""
        return [run for run in self.runs if run.figures is None]

    def save(self, path: Path) -> None:
        """Writes everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
