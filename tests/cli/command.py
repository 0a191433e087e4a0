"""The command `aistorch` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

_RUN = """
import sys

class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {without!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing)

from aistorch.cli.main import run
run()
"""


def start(*arguments: str, without: str = "", **environment: str) -> subprocess.Popen[str]:
    """Starts it, as if the package `without` were not installed."""
    return subprocess.Popen(
        [sys.executable, "-c", _RUN.format(without=without), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**{name: value for name, value in os.environ.items() if name != "AIS_ENDPOINT"}, **environment},
    )


def run(*arguments: str, without: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    with start(*arguments, without=without, **environment) as process:
        out, err = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
