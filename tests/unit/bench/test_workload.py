from __future__ import annotations

from dataclasses import replace

import pytest

from aistorch.bench.reading import reading
from aistorch.bench.with_webdataset import has_webdataset
from aistorch.bench.workload import BucketSpec, Goal, load_workloads, parse, select
from aistorch.errors import InvalidArgumentError

MEASURES = {"wrk", "two-pages", "alone"}


@pytest.mark.parametrize("quick", [True, False])
def test_the_workloads_can_be_done(quick: bool) -> None:
    workloads = load_workloads(quick)
    assert len({each.name for each in workloads}) == len(workloads) > 8
    for each in workloads:
        assert "aistorch" in each.contenders
        assert len(each.contenders) > 1
        for contender in set(each.contenders) - MEASURES - (set() if has_webdataset() else {"webdataset"}):
            assert callable(reading(contender, each.task))
        for goal in each.goals:
            assert goal.against in {"", *each.contenders} - {"aistorch"}
            assert (goal.at_least is None) != (goal.at_most is None)


def test_only_shards_are_read_as_shards() -> None:
    for each in load_workloads():
        assert bool(each.bucket.shards) == (each.task in ("shards", "rows"))
        assert (each.bucket.rows > 1) == (each.task == "rows")
        assert each.bucket.bytes == each.bucket.samples * each.bucket.size * each.bucket.files * each.bucket.rows


def test_quick_ones_are_smaller_and_have_buckets_of_their_own() -> None:
    for full, quick in zip(load_workloads(), load_workloads(quick=True), strict=True):
        assert full.name == quick.name
        assert quick.bucket.samples * 10 <= full.bucket.samples
        assert replace(quick.bucket, samples=full.bucket.samples) == full.bucket
        assert quick.bucket.name != full.bucket.name


def test_a_buckets_name_tells_what_is_in_it() -> None:
    names = {each.bucket: each.bucket.name for each in load_workloads()}
    assert len(set(names.values())) == len(names)
    assert BucketSpec(4096, 16000).name == "aistorch-bench-16000x4096"
    shards = BucketSpec(10, 1000, shards=4, files=3, rows=2)
    assert (shards.name, shards.objects) == ("aistorch-bench-1000x3x10-in-2x4-shards", 8)
    assert replace(shards, indexed=True).objects == 16
    for setting in ("size", "samples", "shards", "files", "rows", "indexed"):
        assert replace(shards, **{setting: 5}).name != shards.name  # type: ignore[arg-type]


def test_settings_of_a_workload() -> None:
    config = {
        "buckets": {"b": {"size": 10, "samples": 1234567, "quick": 2}},
        "workloads": {
            "w": {
                "title": "All {samples:,}",
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
