"""The figures of the documentation are those of the results that are kept beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.figures import Measured
from tests.docs.pages import DOCS, ROOT

MEASURED = Measured()
IN_README = ("AISIterDataset, 4 KiB", "AISIterDataset, 128 KiB", "AISIterDataset, 8 MiB", "AISMapDataset shuffled")


@pytest.mark.parametrize(
    ("page", "rows"),
    [
        (DOCS / "performance.md", MEASURED.rates()),
        (DOCS / "performance.md", MEASURED.times()),
        (DOCS / "performance.md", MEASURED.memory()),
        (ROOT / "README.md", [row for row in MEASURED.rates() if row.removeprefix("| ").startswith(IN_README)]),
    ],
    ids=["rates", "times", "memory", "readme"],
)
def test_figures_are_those_that_were_measured(page: Path, rows: list[str]) -> None:
    """If the benchmark was run anew, `python -m tests.docs.figures` prints the rows that belong there."""
    missing = [row for row in rows if row not in page.read_text()]
    assert rows
    assert not missing, "\n".join(["these rows are missing:", *missing])
