"""Results as a bar chart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from aistorch.bench.ratios import ratio, spread
from aistorch.bench.report import number, times
from aistorch.bench.results import Results
from aistorch.bench.task import Figures
from aistorch.bench.workload import Workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "plugin": "#b0b7c3",
    "webdataset": "#d9a441",
    "aistorch": "#2f7d32",
    "wrk": "#5b8def",
    "plain": "#8e7cc3",
    "floor": "#7a5c48",
}
_LABELS = {
    "plugin": "aistore.pytorch {aistore}",
    "webdataset": "webdataset {webdataset}, pipe:curl",
    "aistorch": "aistorch",
    "wrk": "wrk: GETs alone, no listing",
    "plain": "aistorch, shards read as they are",
    "floor": "floor: the least for these files, no listing",
}
_HEIGHT = 0.22  # of four, the most there are, a gap is left to the next row
_ROOM = 4  # for the text to the right of the longest bar, as a factor


def draw(results: Results, path: Path) -> None:
    """Draws samples a second and client CPU a sample, for each workload that reads all of its bucket."""
    # Imported here: nothing but the chart needs it. A figure of its own needs no display.
    from matplotlib.figure import Figure

    shown = _shown(results)
    figure = Figure(figsize=(11, 1.4 + 0.75 * len(shown)), layout="constrained")
    rates, costs = figure.subplots(1, 2, sharey=True)
    for contender in _COLOURS:
        _bars(rates, results, contender, "samples_per_second")
        _bars(costs, results, contender, "cpu_us_per_sample")
    rates.set_yticks(range(len(shown)), [each.title for each in shown])
    rates.invert_yaxis()
    _style(rates, "samples a second (more is better)")
    _style(costs, "client CPU a sample, us (less is better)")
    figure.suptitle(_title(results), fontsize=11)
    handles, labels = rates.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _shown(results: Results) -> list[Workload]:
    return [each for each in results.workloads if each.task != "first" and not each.compute]


def _title(results: Results) -> str:
    quick = ", quick: these figures say little" if results.quick else ""
    where = "client and server on one machine" if results.server.local else "client on a machine"
    return f"{results.server.title}, {where} with {results.machine['cores']} cores{quick}"


def _bars(axes: Axes, results: Results, contender: str, metric: str) -> None:
    def figure(figures: Figures) -> float:
        return float(getattr(figures, metric))

    label: str | None = _LABELS[contender].format(**results.versions)
    for row, workload in enumerate(_shown(results)):
        found = spread(results.runs, workload.name, contender, figure)
        if found is None:
            continue
        bars = [each for each in workload.contenders if each in _COLOURS]
        offset = (bars.index(contender) - (len(bars) - 1) / 2) * _HEIGHT
        axes.barh(row + offset, found.median, _HEIGHT, color=_COLOURS[contender], label=label)
        label = None
        compared = ratio(results.runs, workload.name, contender, "plugin", figure)
        ours = contender == "aistorch" and metric == "samples_per_second" and compared
        text = f" {number(found.median)}" + (f"  ({times(compared.median)})" if ours and compared else "")
        axes.text(found.median, row + offset, text, va="center", fontsize=8)


def _style(axes: Axes, label: str) -> None:
    from matplotlib.patches import Rectangle

    axes.set_xscale("log")
    values = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]
    if values:
        # A logarithmic scale has no 0 for bars to begin at; a power of ten below all of them is as good.
        axes.set_xlim(10 ** math.floor(math.log10(min(values)) - 0.1), max(values) * _ROOM)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
