"""Results made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from aistorch.bench.results import Results
from aistorch.bench.servers import ServerInfo
from aistorch.bench.task import Figures, Run
from aistorch.bench.workload import Workload, load_workloads, select

CLUSTER = ServerInfo(embedded=False, proxies=1, targets=3, local=True, version="5.0")
EMBEDDED = ServerInfo(embedded=True, proxies=1, targets=1, local=True, version="")


def figures(rate: float, cpu_us: float = 50.0, samples: int = 1000, size: int = 4096) -> Figures:
    return Figures(
        samples=samples,
        bytes=samples * size,
        seconds=samples / rate,
        cpu_seconds=samples * cpu_us / 1e6,
        first_sample_seconds=0.012,
        rss_before=300_000_000,
        rss_peak=340_000_000,
    )


def runs_of(workload: str, **rates: Sequence[float]) -> list[Run]:
    """Runs of each contender with these rates, one a round."""
    return [
        Run(workload, contender, number, figures(rate))
        for contender, values in rates.items()
        for number, rate in enumerate(values)
    ]


def results(
    runs: Sequence[Run],
    only: Sequence[str] = ("iterate-4k",),
    server: ServerInfo = CLUSTER,
    quick: bool = False,
    workloads: Sequence[Workload] | None = None,
) -> Results:
    return Results(
        date="2026-01-02T03:04:05+00:00",
        server=server,
        machine={"processor": "a processor", "cores": 2, "memory_gb": 16, "system": "Linux 6.1"},
        versions={"python": "3.12.0", "aistorch": "0.1.0", "aistore": "2.0.0", "wrk": "4.1.0", "webdataset": "1.0.2"},
        quick=quick,
        workloads=select(load_workloads(quick), only) if workloads is None else workloads,
        runs=runs,
    )
