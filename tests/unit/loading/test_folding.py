"""What is folded comes back, and what is the same is kept once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aistorch.loading.folding import fold, unfold

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_folding_loses_nothing(values: list[Any]) -> None:
    folded = json.loads(json.dumps(fold(values)))
    found = unfold(folded, len(values))
    # As text, since True == 1; a state says nothing by the order of its keys.
    assert json.dumps(found, sort_keys=True) == json.dumps(values, sort_keys=True)


def test_what_is_the_same_is_kept_once() -> None:
    states = [{"seed": 7, "parts": [{"name": "a" * 50, "taken": n}, {"name": "b" * 50, "taken": 0}]} for n in range(16)]
    assert len(json.dumps(fold(states))) < len(json.dumps(states)) / 8
