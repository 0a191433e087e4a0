"""Many dicts that are nearly the same, as one small one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def fold(values: Sequence[Any]) -> dict[str, Any]:
    """What is the same in all is kept once, in dicts and lists at any depth; JSON stays JSON.

    Args:
        values: One or more.
    """
    first = values[0]
    # As JSON they are the same or not at any depth, while True == 1.
    if len({json.dumps(value, sort_keys=True) for value in values}) == 1:
        return {"all": first}
    if isinstance(first, dict) and all(isinstance(value, dict) and value.keys() == first.keys() for value in values):
        return {"dict": {key: fold([value[key] for value in values]) for key in first}}
    if isinstance(first, list) and all(isinstance(value, list) and len(value) == len(first) for value in values):
        return {"list": [fold(column) for column in zip(*values, strict=True)]}
    return {"each": list(values)}


def unfold(folded: dict[str, Any], count: int) -> list[Any]:
    """The values that `fold` was given, `count` of them."""
    ((how, content),) = folded.items()
    if how == "dict":
        columns = {key: unfold(part, count) for key, part in content.items()}
        return [{key: column[number] for key, column in columns.items()} for number in range(count)]
    if how == "list":
        return [list(row) for row in zip(*(unfold(part, count) for part in content), strict=True)]
    return list(content) if how == "each" else [content] * count
