"""The example `examples/resume.py`: killed and started again, its losses are those of a run that never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.conftest import Server

EXAMPLE = Path(__file__).parents[2] / "examples" / "resume.py"
STEPS = 2 * -(-200 // 32)


def start(server: Server, folder: Path, workers: int, *options: str) -> subprocess.Popen[bytes]:
    arguments = ["--endpoint", server.endpoint, "--folder", str(folder), "--digits=200", "--epochs=2"]
    command = [sys.executable, str(EXAMPLE), *arguments, f"--workers={workers}", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.timeout(400)
def test_losses_of_a_run_that_was_killed_are_those_of_one_that_was_not(second_server: Server, tmp_path: Path) -> None:
    for package in ("sklearn", "PIL", "matplotlib"):
        pytest.importorskip(package)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # In the second epoch, and between two checkpoints.
    runs = [start(second_server, whole, 2), start(second_server, killed, 0, "--stop-after=12")]
    assert [run.wait(180) for run in runs] == [0, -signal.SIGKILL]
    assert not (killed / "losses.json").exists()
    assert start(second_server, killed, 1).wait(180) == 0
    losses = [json.loads((folder / "losses.json").read_text()) for folder in (whole, killed)]
    assert len(losses[0]) == STEPS
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
    for folder in (whole, killed):
        assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
