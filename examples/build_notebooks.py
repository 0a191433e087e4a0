"""Makes the notebooks of the scripts beside this file, and executes them.

    python examples/build_notebooks.py          # all; `make notebooks` installs what it needs
    python examples/build_notebooks.py 2_shards

A script is cells, each after a line `# %%` (code) or `# %% [markdown]` (text, as comments). The script is the source:
change it, and not the notebook.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)
_MAX_BYTES = 400_000
_SECONDS = 300  # a cell at most


def scripts() -> list[Path]:
    """All scripts that are notebooks as well."""
    return sorted(FOLDER.glob("[0-9]_*.py"))


def notebook_of(script: str) -> dict[str, Any]:
    """A notebook without outputs, in the format 4.5 of Jupyter.

    Args:
        script: Its text.
    """
    _, *parts = _CELL.split(script)
    cells: list[dict[str, Any]] = []
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        common = {"id": f"cell-{len(cells):02}", "metadata": {}}
        if mark:
            lines = [line.removeprefix("#").removeprefix(" ") for line in text.strip().splitlines()]
            cells.append({"cell_type": "markdown", **common, "source": "\n".join(lines)})
        else:
            code = {"execution_count": None, "outputs": [], "source": text.strip()}
            cells.append({"cell_type": "code", **common, **code})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def execute(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with its outputs.

    Raises:
        SystemExit: A cell wrote a warning.
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    os.environ.pop("AIS_ENDPOINT", None)  # what is kept comes from the embedded AIStore
    with tempfile.TemporaryDirectory() as folder:
        node = nbformat.from_dict(notebook)
        # No ports, which others on this machine could connect to.
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        client = NotebookClient(node, config=config, timeout=_SECONDS, resources={"metadata": {"path": folder}})
        executed: dict[str, Any] = json.loads(nbformat.writes(client.execute()))
    for cell in executed["cells"]:
        cell["metadata"] = {}  # when it ran
        if cell["cell_type"] == "code":
            cell["outputs"] = _cleaned(cell["outputs"])
    return {**executed, "metadata": notebook["metadata"]}


def _cleaned(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    cleaned: list[dict[str, Any]] = []
    for output in outputs:
        if output.get("name") == "stderr":
            raise SystemExit(f"a cell warns, which readers would wonder at: {''.join(output['text'])}")
        if "metadata" in output:
            output["metadata"] = {}
        if output["output_type"] == "stream" and cleaned and cleaned[-1]["output_type"] == "stream":
            cleaned[-1]["text"] += output["text"]  # how text was cut into pieces differs from run to run
        else:
            cleaned.append(output)
    return cleaned


def main() -> None:
    wanted = sys.argv[1:]
    for path in scripts():
        if wanted and path.stem not in wanted:
            continue
        text = json.dumps(execute(notebook_of(path.read_text())), indent=1, ensure_ascii=False) + "\n"
        if len(text) > _MAX_BYTES:
            raise SystemExit(f"{path.stem}.ipynb would have {len(text):,} bytes; make its pictures smaller")
        path.with_suffix(".ipynb").write_text(text)
        print(f"{path.stem}.ipynb: {len(text):,} bytes")


if __name__ == "__main__":
    main()
