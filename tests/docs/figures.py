"""What was measured, as the documentation's tables have it; `python -m tests.docs.figures` prints the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median
from typing import Any

from tests.docs.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "cluster.json"
Figure = Callable[[dict[str, Any]], float]


def rate(figures: dict[str, Any]) -> float:
    """Samples a second."""
    return float(figures["samples"] / figures["seconds"])


def seconds(figures: dict[str, Any]) -> float:
    return float(figures["seconds"])


def cpu(figures: dict[str, Any]) -> float:
    """Microseconds of the client a sample."""
    return float(figures["cpu_seconds"] / figures["samples"] * 1e6)


def grown(figures: dict[str, Any]) -> float:
    """Megabytes of memory that came after loading modules."""
    return float((figures["rss_peak"] - figures["rss_before"]) / 1e6)


class Measured:
    """The results that are kept in the repository."""

    def __init__(self) -> None:
        kept = json.loads(RESULTS.read_text())
        self.workloads = kept["workloads"]
        self._figures = {(run["workload"], run["contender"], run["round"]): run["figures"] for run in kept["runs"]}

    def of(self, workload: str, contender: str, figure: Figure) -> float:
        """The median over all rounds."""
        return median(
            figure(each) for (name, who, _), each in self._figures.items() if (name, who) == (workload, contender)
        )

    def ratio(self, workload: str, other: str, figure: Figure) -> float:
        """aistorch's figure divided by that of another, in each round, then the median."""
        return median(
            figure(each) / figure(self._figures[workload, other, number])
            for (name, who, number), each in self._figures.items()
            if (name, who) == (workload, "aistorch")
        )

    def rates(self) -> list[str]:
        """Rows of the table of rates: plugin, aistorch, and what that is of the plugin's and of wrk's."""
        rows = []
        for each in self.workloads:
            name = each["name"]
            if "plugin" in each["contenders"] and not {"alone", "two-pages"} & {*each["contenders"]}:
                wrk = times(self.ratio(name, "wrk", rate)) if "wrk" in each["contenders"] else ""
                plugin, ours = (number(self.of(name, who, rate)) for who in ("plugin", "aistorch"))
                theirs, mine = (number(self.of(name, who, cpu)) for who in ("plugin", "aistorch"))
                ratio = times(self.ratio(name, "plugin", rate))
                rows.append(f"| {each['title']} | {plugin} | {ours} | {ratio} | {wrk} | {theirs} | {mine} |")
        return rows

    def times(self) -> list[str]:
        """Rows of the table of seconds, beside the least that they can be."""
        rows = []
        for each in self.workloads:
            for other in {"alone", "two-pages"} & {*each["contenders"]}:
                shown = (f"{self.of(each['name'], who, seconds):.3g} s" for who in ("plugin", "aistorch", other))
                ratio = times(self.ratio(each["name"], other, seconds))
                rows.append(f"| {each['title']} | {' | '.join(shown)} | {ratio} |")
        return rows

    def memory(self) -> list[str]:
        """Rows of the table of memory."""
        return [
            f"| {each['title']} | {self.of(each['name'], 'plugin', grown):.0f} MB "
            f"| {self.of(each['name'], 'aistorch', grown):.0f} MB |"
            for each in self.workloads
        ]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


if __name__ == "__main__":
    measured = Measured()
    print(*measured.rates(), "", *measured.times(), "", *measured.memory(), sep="\n")
