"""Some thousands of mutated shards; `python -m tests.support.fuzz_shards` goes through as many as one likes."""

from __future__ import annotations

import pytest

pytest.importorskip("lz4")
pytest.importorskip("zstandard")

from tests.support.fuzz_shards import check


@pytest.mark.parametrize("first", range(0, 3000, 500))
def test_a_mutated_shard_gives_files_or_a_typed_error(first: int) -> None:
    refused = sum(check(seed) for seed in range(first, first + 500))
    assert 100 < refused < 500  # else the mutations are too wild, or none
