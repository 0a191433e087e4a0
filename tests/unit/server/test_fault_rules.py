from __future__ import annotations

from typing import Any

import pytest

from aistorch.server.fault_rules import FaultRules


def hit(rules: FaultRules, name: str = "a/b", **given: Any) -> list[str]:
    fields = {"area": "objects", "method": "GET", "nodes": ("t1",), "answers": True, **given}
    return [rule.effect for rule in rules.matching(name=name, **fields)]


def rules(*fields: dict[str, Any]) -> FaultRules:
    made = FaultRules()
    for field in fields:
        made.add({"effect": "status", "amount": 503, **field})
    return made


@pytest.mark.parametrize(
    ("field", "hits", "misses"),
    [
        ({}, "anything", None),
        ({"contains": "x/"}, "a-x/y", "ax"),
        ({"prefix": "a/"}, "a/b", "b/a/"),
        ({"regex": r"\d+\.jpg$"}, "a/12.jpg", "a/12.jpg.txt"),
        ({"prefix": "a", "contains": "z"}, "a-z", "a-b"),
    ],
)
def test_names_are_matched(field: dict[str, Any], hits: str, misses: str | None) -> None:
    assert hit(rules(field), hits) == ["status"]
    if misses is not None:
        assert hit(rules(field), misses) == []


def test_a_rule_is_about_gets_of_objects_unless_told() -> None:
    assert hit(rules({}), method="PUT") == []
    assert hit(rules({"method": None}), method="PUT") == ["status"]
    assert hit(rules({}), area="buckets") == []
    assert hit(rules({"area": "buckets"}), area="buckets") == ["status"]


def test_a_redirect_is_not_hit_unless_its_node_is_meant() -> None:
    assert hit(rules({}), answers=False) == []
    assert hit(rules({"target": "p0"}), nodes=("p0",), answers=False) == ["status"]
    assert hit(rules({"target": "t2"})) == []
    assert hit(rules({"target": "t1"})) == ["status"]


def test_counts_are_exact() -> None:
    made = rules({"after": 2, "times": 3})
    assert [bool(hit(made)) for _ in range(7)] == [False, False, True, True, True, False, False]
    assert made.hits() == {1: 3}


def test_what_does_not_match_does_not_count() -> None:
    made = rules({"prefix": "a", "after": 1, "times": 1})
    for name in ("b", "a1", "b", "a2", "a3"):
        hit(made, name)
    assert made.hits() == {1: 1}


def test_all_matching_rules_apply_in_order_and_can_be_removed_one_by_one() -> None:
    made = rules({"effect": "delay"}, {}, {"prefix": "z"})
    assert hit(made) == ["delay", "status"]
    made.remove(1)
    assert hit(made) == ["status"]
    made.clear()
    assert not made


def test_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault 'explode'"):
        rules({"effect": "explode"})
    with pytest.raises(TypeError):
        rules({"nmae": "x"})
    with pytest.raises(ValueError, match="unterminated"):
        rules({"regex": "[a"})
