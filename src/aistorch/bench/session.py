"""A whole benchmark: buckets, rounds, tables, files."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aistorch.bench.buckets import prepare
from aistorch.bench.chart import draw
from aistorch.bench.machine import describe_machine, describe_versions
from aistorch.bench.report import report
from aistorch.bench.results import Results
from aistorch.bench.rounds import Rounds
from aistorch.bench.servers import describe_server
from aistorch.bench.task import Run
from aistorch.bench.workload import Workload, load_workloads, select
from aistorch.errors import MissingExtraError

_NEEDED = ("alive_progress", "matplotlib")  # the plugin's, the chart's


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        only: Names of workloads, or patterns of names; all where there are none.
        rounds: How often each contender has its turn.
        quick: Small buckets, to see whether everything works.
        json: Where the results go.
        chart: Where the chart goes.
    """

    only: Sequence[str] = ()
    rounds: int = 3
    quick: bool = False
    json: Path | None = None
    chart: Path | None = None


def run(endpoint: str, options: Options, console: Console) -> Results:
    """Prepares, measures and reports.

    Raises:
        MissingExtraError: A contender's packages are not installed.
        EndpointUnreachableError: Nothing answers at the endpoint.
        BenchmarkError: The buckets cannot be prepared.
    """
    if any(importlib.util.find_spec(package) is None for package in _NEEDED):
        raise MissingExtraError("bench", "aistorch bench")
    workloads = select(load_workloads(options.quick), options.only)
    began = datetime.now(timezone.utc).isoformat(timespec="seconds")
    info = describe_server(endpoint)
    with _progress(console) as progress:
        _prepare(endpoint, workloads, progress)
        runs = _measure(endpoint, workloads, options, progress)
    results = Results(began, info, describe_machine(), describe_versions(), options.quick, workloads, runs)
    if options.json:
        results.save(options.json)
    if options.chart:
        draw(results, options.chart)
    console.print(report(results))
    return results


def _prepare(endpoint: str, workloads: Sequence[Workload], progress: Progress) -> None:
    specs = list(dict.fromkeys(workload.bucket for workload in workloads))
    bar = progress.add_task("preparing", total=sum(spec.objects for spec in specs))
    for spec in specs:
        progress.update(bar, description=f"preparing {spec.name}")
        prepare(endpoint, spec, lambda: progress.advance(bar))
    progress.remove_task(bar)


def _measure(endpoint: str, workloads: Sequence[Workload], options: Options, progress: Progress) -> list[Run]:
    rounds = Rounds(endpoint, workloads, wrk_seconds=1 if options.quick else 3)
    bar = progress.add_task("measuring", total=rounds.turns * options.rounds)
    runs = []
    for done in rounds.run(
        options.rounds, lambda workload, who: progress.update(bar, description=f"{workload.name}: {who}")
    ):
        runs.append(done)
        progress.advance(bar)
    return runs


def _progress(console: Console) -> Progress:
    # Drawn twice a second, so that the drawing is not measured.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, refresh_per_second=2, transient=True)
