"""A mixture has its proportions after every sample, for ever, and in the same order each time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.errors import InvalidArgumentError
from aistorch.order.mixing import MixPlan


def taken(plan: MixPlan, samples: int, counts: Sequence[int] = ()) -> list[int]:
    """Which component each of the next samples comes from."""
    state, order = list(counts or [0] * len(plan.shares)), []
    for _ in range(samples):
        order.append(plan.choose(state))
        state[order[-1]] += 1
    return order


WEIGHTS = st.lists(st.integers(1, 60), min_size=1, max_size=9)


@given(WEIGHTS)
@settings(max_examples=150)
def test_proportions_are_exact_within_a_sample_after_every_sample(weights: list[int]) -> None:
    plan, counts, total = MixPlan.of_weights(weights), [0] * len(weights), sum(weights)
    for number in range(1, min(2 * total, 400) + 1):
        counts[plan.choose(counts)] += 1
        for weight, count in zip(weights, counts, strict=True):
            assert abs(weight * number - count * total) < total


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=5))
@settings(max_examples=50)
def test_the_same_holds_for_any_floats(weights: list[float]) -> None:
    plan, counts = MixPlan.of_weights(weights), [0] * len(weights)
    shares = [Fraction(weight) / sum(map(Fraction, weights)) for weight in weights]
    for number in range(1, 200):
        counts[plan.choose(counts)] += 1
        assert all(abs(share * number - count) < 1 for share, count in zip(shares, counts, strict=True))


def test_taking_the_furthest_behind_would_not_do() -> None:
    """Weights for which the plain rule is wrong by 1.14 samples."""
    weights = [23, 23, 3, 30, 1, 3, 1]
    total, counts, plan = sum(weights), [0] * len(weights), MixPlan.of_weights(weights)
    greedy, worst, worst_of_greedy = [0] * len(weights), 0, 0
    for number in range(1, total + 1):
        counts[plan.choose(counts)] += 1
        behind = [weight * number - total * count for weight, count in zip(weights, greedy, strict=True)]
        greedy[behind.index(max(behind))] += 1
        worst = max(worst, *(abs(w * number - total * c) for w, c in zip(weights, counts, strict=True)))
        worst_of_greedy = max(
            worst_of_greedy, *(abs(w * number - total * c) for w, c in zip(weights, greedy, strict=True))
        )
    assert worst < total < worst_of_greedy


@given(WEIGHTS)
def test_every_period_is_the_first_again(weights: list[int]) -> None:
    plan = MixPlan.of_weights(weights)
    period = sum(plan.shares)
    first = taken(plan, period)
    assert [first.count(component) for component in range(len(weights))] == list(plan.shares)
    later = taken(plan, period, [share * 10**9 for share in plan.shares])
    assert later == first


@given(WEIGHTS, st.integers(0, 100), st.integers(0, 100))
def test_it_goes_on_from_its_counts(weights: list[int], before: int, after: int) -> None:
    plan = MixPlan.of_weights(weights)
    whole = taken(plan, before + after)
    counts = [whole[:before].count(component) for component in range(len(weights))]
    assert taken(plan, after, counts) == whole[before:]


def test_no_drift_over_a_hundred_million_samples() -> None:
    plan = MixPlan.of_weights([0.7, 0.2, 0.1])
    assert plan.shares == (7, 2, 1)
    assert taken(plan, 10, [7 * 10**7, 2 * 10**7, 10**7]) == taken(plan, 10)


def test_a_balanced_mixture_takes_turns() -> None:
    assert taken(MixPlan.of_weights([1, 1, 1]), 6) == [0, 1, 2, 0, 1, 2]
    assert taken(MixPlan.of_weights([3, 1]), 8).count(1) == 2


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([5], (1,)),
        ([0.1, 0.2], (1, 2)),
        ([0.1, 0.3, 0.6], (1, 3, 6)),
        ([1e-3, 1], (1, 1000)),
        ([np.float32(0.1), np.float64(0.9), np.int64(1)], (1, 9, 10)),
        ([6, 4], (3, 2)),
    ],
)
def test_weights_are_what_their_digits_say(weights: list[float], shares: tuple[int, ...]) -> None:
    assert MixPlan.of_weights(weights).shares == shares


@pytest.mark.parametrize("weights", [[], [1, 0], [1, -1], [float("nan")], [1, float("inf")]])
def test_weights_that_are_no_proportions_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidArgumentError, match="weights"):
        MixPlan.of_weights(weights)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 60)), min_size=1, max_size=5))
def test_how_long_all_components_last(components: list[tuple[int, int]]) -> None:
    plan = MixPlan.of_weights([weight for weight, _ in components])
    supplies = [iter(range(size)) for _, size in components]
    counts = [0] * len(components)
    for chosen in iter(lambda: plan.choose(counts), None):
        if not list(islice(supplies[chosen], 1)):
            break
        counts[chosen] += 1
    assert plan.until_exhausted([size for _, size in components]) == counts
