"""The figures of the documentation are those of the results that are kept beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.figures import MARKED, Measured


@pytest.mark.parametrize("page", MARKED, ids=lambda page: page.name)
def test_tables_are_of_the_results_that_are_kept(page: Path) -> None:
    """After the benchmark has run anew: `python -m tests.docs.figures`, and read the text beside the tables."""
    text, updated = page.read_text(), Measured().update(page.read_text())
    assert "<!-- measured: " in text
    assert text.splitlines() == updated.splitlines()
