from __future__ import annotations

import pytest

from aistorch.bench.reading import reading
from aistorch.bench.workload import Goal, load_workloads, parse, select
from aistorch.errors import InvalidArgumentError

MEASURES = {"wrk", "two-pages", "alone"}


@pytest.mark.parametrize("quick", [True, False])
def test_the_workloads_can_be_done(quick: bool) -> None:
    workloads = load_workloads(quick)
    assert len({each.name for each in workloads}) == len(workloads) > 8
    for each in workloads:
        assert {"plugin", "aistorch"} <= set(each.contenders)
        for contender in set(each.contenders) - MEASURES:
            assert callable(reading(contender, each.task))
        for goal in each.goals:
            assert goal.against in {"", *each.contenders} - {"aistorch"}
            assert (goal.at_least is None) != (goal.at_most is None)


def test_quick_ones_are_smaller_and_have_buckets_of_their_own() -> None:
    for full, quick in zip(load_workloads(), load_workloads(quick=True), strict=True):
        assert full.name == quick.name
        assert quick.bucket.objects * 10 <= full.bucket.objects
        assert quick.bucket.size == full.bucket.size
        assert quick.bucket.name != full.bucket.name


def test_a_buckets_name_tells_what_is_in_it() -> None:
    specs = {(each.bucket.size, each.bucket.objects): each.bucket.name for each in load_workloads()}
    assert len(set(specs.values())) == len(specs)
    assert specs[4096, 16000] == "aistorch-bench-16000x4096"


def test_settings_of_a_workload() -> None:
    config = {
        "buckets": {"b": {"size": 10, "objects": 1234567, "quick": 2}},
        "workloads": {
            "w": {
                "title": "All {objects:,}",
                "task": "map",
                "bucket": "b",
                "contenders": ["plugin", "aistorch"],
                "workers": 2,
                "goals": [{"metric": "seconds", "against": "plugin", "at_most": 0.5}],
            }
        },
    }
    (workload,) = parse(config)
    assert (workload.title, workload.workers, workload.latency_ms, workload.compute) == ("All 1,234,567", 2, 0, "")
    assert workload.goals == (Goal("seconds", "plugin", at_most=0.5),)
    assert parse(config, quick=True)[0].title == "All 2"


def test_workloads_are_chosen_by_name_or_pattern_in_their_order() -> None:
    workloads = load_workloads()
    assert select(workloads, []) == workloads
    chosen = select(workloads, ["first-sample", "iterate-*k"])
    assert [each.name for each in chosen] == ["iterate-4k", "iterate-16k", "iterate-128k", "first-sample"]


def test_an_unknown_workload_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(InvalidArgumentError, match="no workload 'iterate-5k'; there are iterate-4k, iterate-16k"):
        select(load_workloads(), ["iterate-4k", "iterate-5k"])


@pytest.mark.parametrize(
    ("goal", "value", "reached"),
    [
        (Goal("seconds", at_least=25), 25, True),
        (Goal("seconds", at_least=25), 24.9, False),
        (Goal("seconds", at_most=1.05), 1.05, True),
        (Goal("seconds", at_most=1.05), 1.06, False),
    ],
)
def test_a_goal_is_reached_on_its_side_of_the_bound(goal: Goal, value: float, reached: bool) -> None:
    assert goal.reached_by(value) is reached
