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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With pytest-xdist and `--dist loadgroup`, tests that share a server or a file run in one process, one by one."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        server = getattr(item, "callspec", None) and item.callspec.params.get("ais")  # type: ignore[attr-defined]
        group = f"{item.path.parent.name}-{server}" if server else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
