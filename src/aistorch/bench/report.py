"""Results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aistorch.bench.ratios import Spread, ratio, reached, spread
from aistorch.bench.results import Results
from aistorch.bench.task import Figures
from aistorch.bench.workload import Goal, Workload

_READERS = ("plugin", "aistorch")
_TIMED = ("alone", "two-pages")
_RIVALS = ("plugin", "webdataset", "wrk")
_Of = Callable[[Callable[[Figures], "float | None"]], "Spread | None"]
_CAPTION = (
    "Medians over all rounds. CPU: of the client and its workers, a sample. Peak: resident memory, and what of it came "
    "after loading modules. Compared: in each round, then the median."
)
_OF = {"seconds": "the time of ", "megabytes_per_second": "the MB/s of "}
_COLUMNS = ("samples/s", "(min - max)", "MB/s", "CPU us", "peak MB", "first ms", "compared")


def report(results: Results) -> Group:
    """All tables: what was measured and, where that says something, which goals are reached."""
    parts: list[RenderableType] = [Text(headline(results), style="bold"), _figures(results)]
    if not results.server.embedded and not results.quick:
        parts.append(_goals(results))
    parts += [Text(f"failed: {run.workload}, {run.contender}: {run.error}", style="red") for run in results.failed]
    return Group(*parts)


def headline(results: Results) -> str:
    """Server, machine and versions in a line."""
    machine, versions = results.machine, results.versions
    return (
        f"{results.server.title}{' ' + results.server.version if results.server.version else ''}, "
        f"{machine['cores']} cores ({machine['processor']}), plugin of aistore {versions['aistore']}"
        f"{', quick: these figures say little' if results.quick else ''}"
    )


def _figures(results: Results) -> Table:
    table = Table("workload", box=SIMPLE_HEAD, caption=_CAPTION, caption_justify="left")
    table.add_column("contender", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for workload in results.workloads:
        title = _title(results, workload)
        for contender in workload.contenders:
            cells = _cells(results, workload, contender)
            if cells:
                table.add_row(title, contender, *cells)
                title = ""
        table.add_section()
    return table


def _title(results: Results, workload: Workload) -> str:
    measured = spread(results.runs, workload.name, "aistorch", lambda figures: figures.latency_seconds)
    return f"{workload.title} (measured {measured.median * 1e3:.1f})" if measured else workload.title


def _cells(results: Results, workload: Workload, contender: str) -> list[str]:
    """A row without its first columns; nothing where nothing was measured."""

    def of(figure: Callable[[Figures], float | None]) -> Spread | None:
        return spread(results.runs, workload.name, contender, figure)

    rate = of(lambda figures: figures.samples_per_second)
    if rate is None:
        return []
    whole = workload.task != "first"
    return [
        number(rate.median) if whole else "",
        f"({number(rate.low)} - {number(rate.high)})" if whole else "",
        _median(of(lambda figures: figures.megabytes_per_second or None)) if whole else "",
        _median(of(lambda figures: figures.cpu_us_per_sample)) if whole else "",
        _memory(of),
        _first(workload, contender, of),
        _compared(results, workload, contender),
    ]


def _memory(of: _Of) -> str:
    """The peak, and by how much it is above what the modules took."""
    peak = of(lambda figures: figures.rss_peak and figures.rss_peak / 1e6)
    grown = of(
        lambda figures: figures.rss_peak and figures.rss_before and (figures.rss_peak - figures.rss_before) / 1e6
    )
    return f"{_median(peak)} (+{grown.median:.0f})" if grown else ""


def _first(workload: Workload, contender: str, of: _Of) -> str:
    if contender == "alone":
        return ""
    if contender == "two-pages" or workload.task == "first":
        return _median(of(lambda figures: figures.seconds * 1e3))
    return _median(of(lambda figures: figures.first_sample_seconds and figures.first_sample_seconds * 1e3))


def _compared(results: Results, workload: Workload, contender: str) -> str:
    """What a reader is against the others and, in a line of its own, its CPU against the least that it can be."""
    if contender not in _READERS:
        return ""
    lines = [", ".join(_comparisons(results, workload, contender))]
    if found := ratio(results.runs, workload.name, contender, "floor", _cpu):
        lines.append(f"{times(found.median)} CPU of floor")
    return "\n".join(filter(None, lines))


def _comparisons(results: Results, workload: Workload, contender: str) -> Iterator[str]:
    """What a reader is against the others: by samples a second or, where these are no measure, by time or bytes."""
    of, figure = "", _rate
    others = [other for other in _RIVALS if other != contender]
    if timed := [other for other in workload.contenders if other in _TIMED]:
        of, figure, others = "time of ", _seconds, timed
    elif "plain" in workload.contenders:
        of, figure, others = "MB/s of ", _megabytes, ["plain"]
    for other in others:
        if found := ratio(results.runs, workload.name, contender, other, figure):
            yield f"{times(found.median)} {of}{other}"


def _goals(results: Results) -> Table:
    table = Table("workload", "goal", "reached", box=SIMPLE_HEAD)
    table.add_column("median", justify="right")
    table.add_column("(min - max)", justify="right")
    for workload in results.workloads:
        for goal in workload.goals:
            found = reached(results.runs, workload, goal)
            if found:
                verdict = Text("yes", "green") if goal.reached_by(found.median) else Text("no", "red")
                extremes = f"({_value(goal, found.low)} - {_value(goal, found.high)})"
                table.add_row(workload.title, _aim(goal), verdict, _value(goal, found.median), extremes)
    return table


def _aim(goal: Goal) -> str:
    if goal.metric == "cpu_us_per_sample":
        return f"at most {goal.at_most:g} us of CPU a sample"
    bound = f"at least {goal.at_least:g}" if goal.at_least is not None else f"at most {goal.at_most:g}"
    return f"{bound} times {_OF.get(goal.metric, '')}{goal.against}"


def _value(goal: Goal, value: float) -> str:
    return times(value) if goal.against else number(value)


def number(value: float) -> str:
    """Three digits or, from a thousand up, all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    """A ratio, with the digits that matter near 1, where most goals are."""
    digits = 3 if value < 2 else 2 if value < 10 else 1
    return f"{value:.{digits}f}x"


def _median(found: Spread | None) -> str:
    return number(found.median) if found else ""


def _rate(figures: Figures) -> float:
    return figures.samples_per_second


def _megabytes(figures: Figures) -> float:
    return figures.megabytes_per_second


def _cpu(figures: Figures) -> float:
    return figures.cpu_us_per_sample


def _seconds(figures: Figures) -> float:
    return figures.seconds
