"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

from aistorch.index import endpoint

# How long an example takes tells of the machine and its load, not of the code.
settings.register_profile("aistorch", deadline=None)
settings.load_profile("aistorch")


@pytest.fixture(autouse=True)
def forget_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test goes by what an earlier one found at a port, which may have been another server's since."""
    monkeypatch.setattr(endpoint, "_answered", set())
