from __future__ import annotations

import pytest

from aistorch.bench import rounds as module
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.rounds import Rounds
from aistorch.bench.task import Figures, Task
from aistorch.bench.workload import load_workloads, select
from tests.unit.bench.builders import figures

ENDPOINT = "http://127.0.0.1:9"


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """What processes are asked to do; the plugin's fail."""
    asked: list[Task] = []

    def run_task(task: Task) -> Figures:
        asked.append(task)
        if task.contender == "plugin":
            raise BenchmarkError("plugin: it is not there")
        return figures(100)

    monkeypatch.setattr(module, "run_task", run_task)
    monkeypatch.setattr(module, "find_wrk", lambda: None)
    monkeypatch.setattr(module, "has_webdataset", lambda: False)
    monkeypatch.setattr(module, "calibrate", lambda kind: {"python": 11, "native": 22}[kind])
    return asked


def test_contenders_take_turns_and_a_failure_is_a_result(tasks: list[Task]) -> None:
    chosen = Rounds(ENDPOINT, select(load_workloads(), ["iterate-4k", "map-*-2-*"]), wrk_seconds=1)
    told: list[str] = []
    done = list(chosen.run(2, lambda workload, who: told.append(f"{workload.name} {who}")))
    turns = [
        ("iterate-4k", "plugin"),
        ("iterate-4k", "aistorch"),
        ("map-16k-2-workers", "plugin"),
        ("map-16k-2-workers", "aistorch"),
    ]
    assert chosen.turns == len(turns)
    expected = [(number, *turn) for number in range(2) for turn in turns]
    assert [(each.round, each.workload, each.contender) for each in done] == expected
    assert told == [" ".join(turn) for turn in turns * 2]
    assert {each.error for each in done if each.contender == "plugin"} == {"plugin: it is not there"}
    assert all(each.figures for each in done if each.contender == "aistorch")


def test_a_process_is_told_what_the_workload_says(tasks: list[Task]) -> None:
    workloads = select(load_workloads(), ["map-16k-2-workers", "compute-*"])
    list(Rounds(ENDPOINT, workloads, wrk_seconds=1).run(1, lambda *_: None))
    told = {(task.contender, task.kind, task.workers, task.compute, task.compute_amount) for task in tasks}
    loading = {(who, "map", 2, "", 0) for who in ("plugin", "aistorch")}
    computing = {
        (who, "iterate", 0, kind, amount)
        for who in ("plugin", "aistorch", "alone")
        for kind, amount in (("python", 11), ("native", 22))
    }
    assert told == loading | computing
    assert {(task.endpoint, task.bucket.size) for task in tasks} == {(ENDPOINT, 16384)}


def test_what_is_not_installed_has_no_turn(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    workloads = select(load_workloads(), ["shards-30k", "iterate-4k"])
    list(Rounds(ENDPOINT, workloads, wrk_seconds=1).run(1, lambda *_: None))
    assert [(task.contender, task.kind) for task in tasks] == [
        ("plugin", "iterate"),
        ("aistorch", "iterate"),
        ("plugin", "shards"),
        ("aistorch", "shards"),
        ("floor", "shards"),
    ]
    monkeypatch.setattr(module, "has_webdataset", lambda: True)
    assert Rounds(ENDPOINT, workloads, wrk_seconds=1).turns == 6
