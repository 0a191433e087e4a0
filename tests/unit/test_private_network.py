"""The launcher that gives tests a network of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "tests" / "support" / "private_network.py"
REPORT = """
import socket
from tests.support.private_network import is_private
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname()).close()
print(is_private(), socket.if_nameindex())
"""


def launch(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "AIS_ENDPOINT"}
    return subprocess.run(
        [sys.executable, str(LAUNCHER), *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )


def test_the_network_is_private_and_loopback_works() -> None:
    ended = launch(sys.executable, "-c", REPORT)
    if "open network" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("True ")


def test_a_cluster_that_was_named_stays_reachable() -> None:
    ended = launch(sys.executable, "-c", REPORT, AIS_ENDPOINT="http://127.0.0.1:9")
    assert "running in the open network: AIS_ENDPOINT names a cluster" in ended.stderr
    here = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout == here.stdout


def test_where_it_is_not_possible_the_command_runs_all_the_same(tmp_path: Path) -> None:
    ended = launch("/bin/echo", "ran", PATH=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (0, "ran\n")
    assert "there is no `unshare` here" in ended.stderr


def test_where_it_is_forbidden_the_command_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "unshare").write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    ended = launch("/bin/echo", "ran", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert (ended.returncode, ended.stdout) == (0, "ran\n")
    assert "not permitted here (unshare failed: Operation not permitted)" in ended.stderr


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_the_exit_status_is_that_of_the_command(endpoint: str) -> None:
    assert launch("/bin/sh", "-c", "exit 7", AIS_ENDPOINT=endpoint).returncode == 7
