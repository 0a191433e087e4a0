"""The documentation's tables of what was measured.

    python -m tests.docs.figures

writes them anew, from `benchmarks/results/cluster.json` into the places that are marked `<!-- measured: NAME -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.docs.pages import DOCS, ROOT

RESULTS = ROOT / "benchmarks" / "results" / "cluster.json"
MARKED = [ROOT / "README.md", DOCS / "performance.md"]
YARDSTICKS = ("alone", "two-pages")
IN_SHARDS = ("shards", "rows")
MAIN = ("iterate-4k", "iterate-128k", "iterate-8m", "map-16k-0-workers", "map-16k-2-workers", "shards-30k")
_PLACE = re.compile(r"(<!-- measured: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Figures = dict[str, Any]
Figure = Callable[[Figures], float]


def rate(figures: Figures) -> float:
    """Samples a second."""
    return float(figures["samples"] / figures["seconds"])


def seconds(figures: Figures) -> float:
    return float(figures["seconds"])


def cpu(figures: Figures) -> float:
    """Microseconds of the client a sample."""
    return float(figures["cpu_seconds"] / figures["samples"] * 1e6)


def megabytes(figures: Figures) -> float:
    """Of memory, at the peak, above what the modules took."""
    return float((figures["rss_peak"] - figures["rss_before"]) / 1e6)


class Measured:
    """The results that are kept in the repository."""

    def __init__(self) -> None:
        kept = json.loads(RESULTS.read_text())
        self._workloads: list[dict[str, Any]] = kept["workloads"]
        self._runs: dict[tuple[str, str], dict[int, Figures]] = {}
        for run in kept["runs"]:
            if run["figures"]:
                self._runs.setdefault((run["workload"], run["contender"]), {})[run["round"]] = run["figures"]

    def of(self, workload: str, contender: str, figure: Figure) -> float | None:
        """The median over all rounds; None where that was not measured."""
        runs = self._runs.get((workload, contender), {}).values()
        return median(map(figure, runs)) if runs else None

    def ratio(self, workload: str, other: str, figure: Figure) -> float | None:
        """aistorch's figure divided by another's, in each round, then the median."""
        ours, theirs = self._runs.get((workload, "aistorch"), {}), self._runs.get((workload, other), {})
        both = [figure(ours[number]) / figure(theirs[number]) for number in ours.keys() & theirs.keys()]
        return median(both) if both else None

    def rates(self) -> list[str]:
        """Samples a second, of objects."""
        return self._rates([each for each in self._workloads if each["task"] not in IN_SHARDS], "wrk")

    def shards(self) -> list[str]:
        """Samples a second, out of shards."""
        return self._rates([each for each in self._workloads if each["task"] in IN_SHARDS], "webdataset")

    def main(self) -> list[str]:
        """Samples a second, in the README."""
        return self._rates([each for each in self._workloads if each["name"] in MAIN], "wrk")

    def _rates(self, workloads: list[dict[str, Any]], other: str) -> list[str]:
        head = [
            f"| Samples a second | plugin | {other} | aistorch | of plugin | of {other} "
            "| plugin, CPU µs a sample | aistorch, CPU µs a sample |",
            "|---|---|---|---|---|---|---|---|",
        ]
        rows = []
        for each in workloads:
            if not {*YARDSTICKS} & {*each["contenders"]}:
                name = each["name"]
                rates = [number(self.of(name, who, rate)) for who in ("plugin", other, "aistorch")]
                ratios = [times(self.ratio(name, who, rate)) for who in ("plugin", other)]
                costs = [number(self.of(name, who, cpu)) for who in ("plugin", "aistorch")]
                rows.append(row(each["title"], *rates, *ratios, *costs))
        return [*head, *rows] if rows else []

    def times(self) -> list[str]:
        """Seconds, beside the least that they can be."""
        rows = ["| Seconds | plugin | aistorch | yardstick | aistorch of yardstick |", "|---|---|---|---|---|"]
        for each in self._workloads:
            for other in {*YARDSTICKS} & {*each["contenders"]}:
                found = [number(self.of(each["name"], who, seconds)) for who in ("plugin", "aistorch", other)]
                rows.append(row(each["title"], *found, times(self.ratio(each["name"], other, seconds))))
        return rows

    def memory(self) -> list[str]:
        """Megabytes."""
        rows = ["| MB of memory at the peak, above what the modules took | plugin | aistorch |", "|---|---|---|"]
        for each in self._workloads:
            found = [self.of(each["name"], who, megabytes) for who in ("plugin", "aistorch")]
            rows.append(row(each["title"], *("" if value is None else f"{value:.0f}" for value in found)))
        return rows

    def update(self, text: str) -> str:
        """A page with its tables as they have to be."""

        def fill(place: re.Match[str]) -> str:
            table: list[str] = getattr(self, place["name"])()
            lines = ["", *table, ""] if table else []
            return "".join([place[1], *(line + "\n" for line in lines), place[3]])

        return _PLACE.sub(fill, text)


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def write(pages: list[Path]) -> None:
    """Brings the tables of these pages up to date."""
    measured = Measured()
    for page in pages:
        page.write_text(measured.update(page.read_text()))


if __name__ == "__main__":
    write(MARKED)
