"""What holds for all tests."""

from __future__ import annotations

import pytest

from aistorch.index import endpoint


@pytest.fixture(autouse=True)
def forget_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test goes by what an earlier one found at a port, which may have been another server's since."""
    monkeypatch.setattr(endpoint, "_answered", set())
