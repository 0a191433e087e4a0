from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.bench.ratios import Spread, ratio, reached, spread
from aistorch.bench.task import Figures, Run
from aistorch.bench.workload import Goal, load_workloads
from tests.unit.bench.builders import runs_of


def rate(figures: Figures) -> float:
    return figures.samples_per_second


@given(st.lists(st.floats(0.001, 1e9), min_size=1))
def test_a_spread_encloses_its_median(values: list[float]) -> None:
    found = Spread.of(values)
    assert found is not None
    assert min(values) == found.low <= found.median <= found.high == max(values)


def test_a_figure_over_all_rounds() -> None:
    runs = runs_of("w", plugin=[10, 30, 11], aistorch=[500])
    found = spread(runs, "w", "plugin", rate)
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((11, 10, 30))
    assert spread(runs, "other", "plugin", rate) is None
    assert spread(runs, "w", "plugin", lambda _: None) is None


def test_a_ratio_is_made_within_each_round() -> None:
    # The machine became ten times slower after the first round: that is no property of a contender.
    runs = runs_of("w", plugin=[100, 10, 10], aistorch=[2000, 300, 400])
    found = ratio(runs, "w", "aistorch", "plugin", rate)
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((30, 20, 40))


def test_a_round_that_lacks_one_of_the_two_does_not_count() -> None:
    runs = [*runs_of("w", plugin=[100, 10], aistorch=[2000]), Run("w", "aistorch", 1, error="no")]
    found = ratio(runs, "w", "aistorch", "plugin", rate)
    assert found is not None
    assert found.low == found.high == pytest.approx(20)
    assert ratio(runs, "w", "aistorch", "wrk", rate) is None


def test_what_a_goal_looks_at() -> None:
    workload = load_workloads()[0]
    runs = runs_of(workload.name, plugin=[100], aistorch=[2000])
    against = reached(runs, workload, Goal("samples_per_second", "plugin", at_least=1))
    alone = reached(runs, workload, Goal("cpu_us_per_sample", at_most=1))
    assert against is not None
    assert alone is not None
    assert (against.median, alone.median) == pytest.approx((20, 50))
    assert reached(runs, workload, Goal("seconds", "wrk", at_most=1)) is None
