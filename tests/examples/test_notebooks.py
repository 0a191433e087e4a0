"""The examples that are notebooks as well: the scripts run and learn, and the notebooks are theirs, with outputs."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aistorch.datasets.datapipes import HAS_DATAPIPES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MAX_BYTES = 400_000

# What a script prints at least: how much it has read, and how well it has learned, in percent.
PRINTED = {
    "1_bucket_to_model": ["640 samples, then 797; 1437 different ones of 1437"],
    "2_shards": ["1437 samples received, 1437 different ones", "number 700 is 00859, number -1 is 01796"],
    "3_datapipes": ["719 URLs, 276 of them wanted", "276 objects loaded"],
}
FLOORS = {"1_bucket_to_model": [93.0], "2_shards": [93.0, 85.0], "3_datapipes": [93.0]}


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """`examples/build_notebooks.py`."""
    spec = importlib.util.spec_from_file_location("build_notebooks", EXAMPLES / "build_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, pictures: Path) -> subprocess.CompletedProcess[str]:
    environment = {variable: value for variable, value in os.environ.items() if variable != "AIS_ENDPOINT"}
    environment |= {
        "MPLBACKEND": "module://tests.examples.saving_backend",
        "PICTURES": str(pictures),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def notebook(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.ipynb").read_text())


def outputs(name: str) -> list[Any]:
    return [output for cell in notebook(name)["cells"] for output in cell.get("outputs", [])]


def text_of(name: str) -> str:
    return "".join("".join(output["text"]) for output in outputs(name) if output["output_type"] == "stream")


def pictures_of(name: str) -> list[str]:
    return [output["data"]["image/png"] for output in outputs(name) if output["output_type"] == "display_data"]


def check_printed(name: str, text: str) -> None:
    for line in PRINTED[name]:
        assert line in text
    reached = [float(part) for part in re.findall(r"accuracy[^:\n]*: ([\d.]+)%", text)]
    assert len(reached) == len(FLOORS[name])
    for accuracy, floor in zip(reached, FLOORS[name], strict=True):
        assert accuracy > floor


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PRINTED)
def test_the_script_reads_all_learns_and_draws(name: str, tmp_path: Path) -> None:
    if name == "3_datapipes" and not HAS_DATAPIPES:
        pytest.skip("this torch has no DataPipes")
    ended = run(name, tmp_path)
    assert ended.returncode == 0, ended.stderr
    check_printed(name, ended.stdout)
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) == len(pictures_of(name))
    for path in drawn:
        with Image.open(path) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10, f"{path.name} is empty"


@pytest.mark.parametrize("name", PRINTED)
def test_the_notebook_has_the_cells_of_the_script(name: str, build: ModuleType) -> None:
    made = build.notebook_of((EXAMPLES / f"{name}.py").read_text())
    kept = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook(name)["cells"]]
    expected = [(cell["cell_type"], cell["source"]) for cell in made["cells"]]
    assert kept == expected, "make notebooks, after a change to a script"


@pytest.mark.parametrize("name", PRINTED)
def test_the_notebook_was_executed_from_top_to_bottom(name: str) -> None:
    code = [cell for cell in notebook(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for output in outputs(name)} == {"stream", "display_data"}
    assert {output.get("name", "stdout") for output in outputs(name)} == {"stdout"}
    check_printed(name, text_of(name))
    assert len(pictures_of(name)) >= 4


@pytest.mark.parametrize("name", PRINTED)
def test_the_notebook_is_small_and_tells_nothing_of_the_machine(name: str) -> None:
    path = EXAMPLES / f"{name}.ipynb"
    assert path.stat().st_size < MAX_BYTES
    assert not re.search(r"127\.0\.0\.1|localhost|/(home|root|tmp|Users|usr|var)/|site-packages", text_of(name))
    kept = notebook(name)
    assert set(kept["metadata"]) == {"kernelspec", "language_info"}
    assert all(cell["metadata"] == {} for cell in kept["cells"])


def test_all_notebooks_are_under_test(build: ModuleType) -> None:
    names = sorted(PRINTED)
    assert [path.stem for path in build.scripts()] == names
    assert sorted(path.stem for path in EXAMPLES.glob("*.ipynb")) == names


def test_a_script_is_cut_into_cells(build: ModuleType) -> None:
    script = (
        "# %% [markdown]\n# # Title\n#\n# Text  # %%\n\n# %%\nx = 1  # one\n\n\n# %%\n# two\ndef f():\n\n    return x\n"
    )
    cells = [(cell["cell_type"], cell["source"]) for cell in build.notebook_of(script)["cells"]]
    assert cells == [
        ("markdown", "# Title\n\nText  # %%"),
        ("code", "x = 1  # one"),
        ("code", "# two\ndef f():\n\n    return x"),
    ]
