"""Scripts that were written for the SDK's plugin, unchanged: over aistorch, and over the plugin where it can."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import Server
from tests.drop_in.conftest import BUCKETS, make

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.py"))
# One of them starts workers in all ways, which takes its time.
STARTS_WORKERS = HERE / "scripts" / "v1_4_data_loader.py"
TOGETHER = [script for script in SCRIPTS if script != STARTS_WORKERS]
OF_RELEASE_2 = [script for script in TOGETHER if script.name.startswith("v2")]
OBJECTS = {f"{bucket}/{name}": body for bucket, contents in BUCKETS.items() for name, body in contents.items()}


def environment(endpoint: str) -> dict[str, str]:
    paths = [str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "AIS_ENDPOINT": endpoint, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def start(endpoint: str, script: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "aistorch.legacy", str(script), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment(endpoint), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def output(process: subprocess.Popen[str]) -> str:
    printed, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return printed


@pytest.fixture(scope="module")
def printed(documented: Server) -> dict[str, str]:
    """By script, what it prints over aistorch."""
    text = output(start(documented.endpoint, HERE / "run_all.py", *TOGETHER))
    parts = [part.partition("\n") for part in text.split("== ")[1:]]
    return {name: rest for name, _, rest in parts}


@pytest.mark.parametrize(
    "script", [script for script in TOGETHER if script.name.startswith("v2")], ids=lambda s: s.stem
)
def test_scripts_give_what_they_give_over_the_plugin(
    documented: Server, printed: dict[str, str], script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aistore.pytorch.batch_iter_dataset")
    monkeypatch.setenv("AIS_ENDPOINT", documented.endpoint)
    theirs = io.StringIO()
    with redirect_stdout(theirs):
        runpy.run_path(str(script), run_name="__main__")
    assert theirs.getvalue()
    assert printed[script.name].splitlines() == theirs.getvalue().splitlines()


def samples(*prefixes: str) -> list[tuple[str, bytes]]:
    """In the order of a listing, of one prefix after another: `bucket/prefix`."""
    found = [(name, body) for prefix in prefixes for name, body in sorted(OBJECTS.items()) if name.startswith(prefix)]
    return [(name.partition("/")[2], body) for name, body in found]


def lines(*values: Any) -> list[str]:
    return [str(value) for value in values]


def test_map_datasets_of_release_1_4(printed: dict[str, str]) -> None:
    chosen = [name for name, _ in samples("bucket2/train/", "bucket1/file-1")]
    assert printed["v1_4_map_dataset.py"].splitlines() == [
        *lines(*samples("bucket1/")),
        f"{len(chosen)} {chosen}",
        "4 <class 'bytes'>",
        f"{len(OBJECTS)} True None",
        "ValueError True",
    ]


def test_iterable_datasets_of_release_1_4(printed: dict[str, str]) -> None:
    example = [(f"example_obj_{number}", b"object content") for number in range(10)]
    assert printed["v1_4_iter_dataset.py"].splitlines() == lines(*example, *example, 20, b"object content")


def test_datapipes(printed: dict[str, str]) -> None:
    found = [(name, body) for name, body in sorted(OBJECTS.items()) if name.startswith(("bucket1/file-", "bucket2/tr"))]
    assert printed["v1_4_datapipes.py"].splitlines() == [
        *(f"ais://{name} {body!r}" for name, body in found),
        "True True",
        "True",
        "True",
        "TypeError",
        str([f"/v1/objects/bucket1/file-{number}?provider=ais" for number in range(4)]),
    ]


def test_workers_of_a_script_however_they_are_started(second_server: Server) -> None:
    # A class of the script itself is found in workers, too, over the same class of the plugin's.
    make(second_server.client())
    lengths = [(name, len(body)) for name, body in samples("bucket1/")]
    expected = sorted([*samples("bucket1/", "bucket2/train/"), *lengths], key=str)
    starts = ["fork", "spawn", "forkserver"]
    printed = output(start(second_server.endpoint, STARTS_WORKERS, "--batch-size", "3", "--start", *starts))
    assert printed.splitlines() == [f"{method} {expected}" for method in starts]
