"""What a sample is called."""

from __future__ import annotations

import pytest

from aistorch.shards.names import are_unique, base_name


@pytest.mark.parametrize(("key", "name"), [("001", "001"), ("a/001", "001"), ("a.b/c/001", "001"), ("a/", "")])
def test_a_base_name_is_the_last_part_of_a_key(key: str, name: str) -> None:
    assert base_name(key) == name


def test_base_names_may_collide() -> None:
    assert are_unique(["a/1", "b/2", "3"])
    assert not are_unique(["a/1", "b/1"])
    assert not are_unique(["1", "b/1"])
    assert are_unique([])
