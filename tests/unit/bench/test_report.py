from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from aistorch.bench.report import number, report, times
from aistorch.bench.results import Results
from aistorch.bench.task import Run
from tests.unit.bench.builders import EMBEDDED, figures, results, runs_of


def printed(found: Results) -> str:
    console = Console(file=io.StringIO(), width=150)
    console.print(report(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, contender: str) -> list[str]:
    """The cells of a contender's first row, from its name on."""
    found = re.search(rf"\s({contender}\s\s.*)", text)
    assert found is not None
    return re.split(r"\s\s+", found[1].strip())


FOUND = runs_of("iterate-4k", plugin=[700, 800], aistorch=[21000, 32000], wrk=[30000, 40000])


def test_medians_spreads_and_ratios_of_each_contender() -> None:
    text = printed(results(FOUND))
    assert row(text, "plugin")[1:3] == ["750", "(700 - 800)"]
    ours = ["aistorch", "26,500", "(21,000 - 32,000)", "109", "50", "340 (+40)", "12", "35.0x plugin, 0.750x wrk"]
    assert row(text, "aistorch") == ours
    assert "x" not in row(text, "wrk")[-1]


def test_goals_are_judged_on_a_real_cluster() -> None:
    goals = " ".join(printed(results(FOUND)).partition("goal")[2].split())
    assert "at least 25 times plugin yes 35.0x" in goals
    assert "at least 0.8 times wrk no 0.750x" in goals
    assert "at most 25 us of CPU a sample no 50" in goals


@pytest.mark.parametrize("other", [{"server": EMBEDDED}, {"quick": True}])
def test_goals_are_not_judged_where_that_says_nothing(other: dict[str, bool]) -> None:
    assert "goal" not in printed(results(FOUND, **other))  # type: ignore[arg-type]


def test_the_server_is_named() -> None:
    assert "real AIStore cluster (1 proxy + 3 targets) 5.0, 2 cores" in printed(results(FOUND))
    assert "embedded AIStore (1 proxy + 1 target), 2 cores" in printed(results(FOUND, server=EMBEDDED))


def test_what_failed_is_told() -> None:
    text = printed(results([*FOUND, Run("iterate-4k", "wrk", 2, error="wrk had 3 errors")]))
    assert "failed: iterate-4k, wrk: wrk had 3 errors" in text


def test_computing_is_compared_by_time() -> None:
    runs = runs_of("compute-python", plugin=[250], aistorch=[800], alone=[1000])
    text = printed(results(runs, ["compute-python"]))
    assert row(text, "aistorch")[-1] == "1.250x time of alone"
    assert row(text, "plugin")[-1] == "4.00x time of alone"


def test_shards_are_compared_by_samples_or_by_bytes() -> None:
    runs = [
        *runs_of("shards-30k", plugin=[1000], webdataset=[2000], aistorch=[9000]),
        *runs_of("shards-1m", plain=[400], aistorch=[380]),
    ]
    text = printed(results(runs, ["shards-30k", "shards-1m"]))
    tables, _, goals = text.partition("goal")
    shards, _, large = tables.partition("AISShardReader, 1 MB")
    assert row(shards, "aistorch")[-1] == "9.00x plugin, 4.50x webdataset"
    assert row(shards, "plugin")[-1] == "0.500x webdataset"
    assert row(large, "aistorch")[-1] == "0.950x MB/s of plain"
    goals = " ".join(goals.split())
    assert "at least 5 times webdataset no 4.50x" in goals
    assert "at least 0.9 times the MB/s of plain yes 0.950x" in goals


def by_contender(table: str) -> list[str]:
    """What a table has from each contender's name on to the next one."""
    return re.split(r"(?=\s\s(?:plugin|aistorch|plain|floor)\s\s)", table)[1:]


def test_cpu_beside_the_least_that_it_can_be() -> None:
    def runs_at(workload: str, **costs: float) -> list[Run]:
        return [Run(workload, who, 0, figures(1000, cpu_us)) for who, cpu_us in costs.items()]

    runs = runs_at("shards-30k", plugin=300, aistorch=50, floor=20)
    plugin, aistorch, floor = by_contender(printed(results(runs, ["shards-30k"])).partition("goal")[0])
    assert "15.0x CPU of floor" in plugin
    assert "1.000x plugin" in aistorch
    assert "2.50x CPU of floor" in aistorch
    assert row(floor, "floor")[4] == "20"
    assert "x" not in floor.partition("Medians")[0]
    runs = runs_at("shards-30k-indexed", plain=30, aistorch=45, floor=15)
    aistorch, plain, _ = by_contender(printed(results(runs, ["shards-30k-indexed"])).partition("goal")[0])
    assert "1.000x MB/s of plain" in aistorch
    assert "3.00x CPU of floor" in aistorch
    assert "floor" not in plain


def test_no_goal_is_set_against_the_floor() -> None:
    runs = runs_of("shards-30k", aistorch=[9000], floor=[30000])
    assert "floor" not in printed(results(runs, ["shards-30k"])).partition("goal")[2]


def test_latency_is_shown_as_measured() -> None:
    found = figures(100)
    measured = type(found)(found.samples, found.bytes, found.seconds, found.cpu_seconds, latency_seconds=0.0026)
    text = printed(results([Run("latency-16k", "aistorch", 0, measured)], ["latency-16k"]))
    assert "measured 2.6" in " ".join(text.split())


def test_numbers_have_the_digits_that_matter() -> None:
    assert [number(value) for value in (0.0123, 9.876, 98.76, 987.6, 98765.4)] == [
        "0.0123",
        "9.88",
        "98.8",
        "988",
        "98,765",
    ]
    assert [times(value) for value in (0.7964, 1.0524, 3.954, 25.34)] == ["0.796x", "1.052x", "3.95x", "25.3x"]
