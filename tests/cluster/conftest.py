"""A cluster for a test of its own, since its nodes come and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, why_no_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Started for one test, and ended with it."""
    if reason := why_no_cluster():
        pytest.skip(reason)
    with Cluster(tmp_path) as running:
        yield running
