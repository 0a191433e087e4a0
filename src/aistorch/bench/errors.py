"""What can go wrong in a benchmark beyond what the package itself raises."""

from __future__ import annotations

from aistorch.errors import AIStorchError


class BenchmarkError(AIStorchError):
    """A benchmark cannot be prepared, or a measurement is none."""
