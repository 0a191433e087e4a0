"""The two commands and the merge check, as far as they can be tried without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no `make` on PATH")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make on the project's Makefile in a folder without the rest of the project."""
    if not (folder / "pyproject.toml").exists():  # one that is touched again is newer than what was made of it
        (folder / "pyproject.toml").touch()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON", "TORCH"))}
    return subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean,
        check=False,
    )


def interpreter(folder: Path, version: tuple[int, int]) -> Path:
    """A Python that believes to be of another version."""
    path = folder / "python-of-another-time"
    path.write_text(
        f'#!/bin/sh\nexec python3 -c "import sys; sys.version_info = {version}; '
        f'sys.version = \'{version[0]}.{version[1]}.0 (x)\'; exec(sys.argv[1])" "$2"\n'
    )
    path.chmod(0o755)
    return path


@needs_make
@pytest.mark.parametrize("target", ["demo", "test", "lint"])
def test_an_old_python_is_named_with_the_remedy(target: str, tmp_path: Path) -> None:
    old = interpreter(tmp_path, (3, 9))
    ended = make(tmp_path, target, f"PYTHON={old}")
    assert ended.returncode != 0
    assert f"{old} is Python 3.9.0; aistorch needs 3.10 or newer (PYTHON=python3.12 make" in ended.stderr
    assert not list(tmp_path.glob(".venv*"))


@needs_make
def test_a_missing_python_is_named_with_the_remedy(tmp_path: Path) -> None:
    ended = make(tmp_path, "test", "PYTHON=no-such-python")
    assert ended.returncode != 0
    assert "there is no no-such-python on PATH; aistorch needs Python 3.10 or newer" in ended.stderr


@needs_make
def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("pyproject.toml", ".venv/bin/python", ".venv/.installed-test"):
        (tmp_path / name).touch()
    assert "pip install" not in make(tmp_path, "-n", "test").stdout
    assert "pip install --editable '.[demo]'" in make(tmp_path, "-n", "demo").stdout
    os.utime(tmp_path / ".venv" / ".installed-test", (0, 0))
    assert "pip install --editable '.[test]'" in make(tmp_path, "-n", "test").stdout


@needs_make
def test_an_interpreter_that_was_asked_for_has_an_environment_of_its_own(tmp_path: Path) -> None:
    assert "python3.12 -m venv .venv-python3.12" in make(tmp_path, "-n", "test", "PYTHON=python3.12").stdout
    assert "python3 -m venv .venv " in make(tmp_path, "-n", "test").stdout


def test_the_merge_check_is_valid_bash() -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no `bash` on PATH")
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
