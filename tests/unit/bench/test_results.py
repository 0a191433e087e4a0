from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

from aistorch.bench.machine import describe_machine, describe_versions
from aistorch.bench.task import Run
from tests.unit.bench.builders import results, runs_of


def test_every_measurement_is_kept(tmp_path: Path) -> None:
    runs = [*runs_of("iterate-4k", plugin=[700, 800]), Run("iterate-4k", "wrk", 0, error="it was not there")]
    path = tmp_path / "new" / "a.json"
    found = results(runs)
    found.save(path)
    kept = json.loads(path.read_text())
    assert [(run["contender"], run["round"]) for run in kept["runs"]] == [("plugin", 0), ("plugin", 1), ("wrk", 0)]
    assert kept["runs"][0]["figures"]["samples"] == 1000
    assert kept["runs"][2]["error"] == "it was not there"
    assert kept["workloads"][0]["bucket"]["size"] == 4096
    assert kept["server"]["targets"] == 3
    assert found.failed == runs[2:]


def test_the_machine_is_described_without_names() -> None:
    machine, versions = describe_machine(), describe_versions()
    assert {"processor", "cores", "memory_gb", "system"} == set(machine)
    assert {"python", "aistorch", "aistore", "torch", "wrk"} <= set(versions)
    assert versions["aistore"].startswith("2.")
    text = json.dumps([machine, versions])
    assert platform.node() not in text
    assert str(Path.cwd()) not in text
    assert f'"{getpass.getuser()}"' not in text
