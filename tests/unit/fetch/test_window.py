"""How many requests are in flight: as many as pay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.config import ReadConfig
from aistorch.fetch.window import CAP, FLOOR, PATIENCE, START, Window


def settle(window: Window, rate: Callable[[int], float], rounds: int = 60) -> list[int]:
    """In flight after each of so many stretches in which the consumer only waits."""
    seen = []
    for _ in range(rounds):
        window.observe(int(rate(window.in_flight) * 10), 10.0, 10.0)
        seen.append(window.in_flight)
    return seen


def test_latency_makes_it_grow_to_the_cap() -> None:
    window = Window(ReadConfig())
    settle(window, lambda in_flight: in_flight / 0.1)
    assert window.in_flight > 0.6 * CAP
    assert window.in_flight <= CAP


def test_a_limit_of_the_path_stops_it_near_there() -> None:
    # 100 ms of latency, 2,000 objects a second at most: 200 in flight fill it.
    seen = settle(Window(ReadConfig()), lambda in_flight: min(2000.0, in_flight / 0.1), rounds=200)
    assert max(seen) <= 1.5**2 * 200
    assert min(seen[20:]) >= 200 / 1.5**2


def test_where_more_adds_nothing_it_shrinks_to_the_floor_and_no_further() -> None:
    seen = settle(Window(ReadConfig()), lambda _: 1000.0, rounds=100)
    assert min(seen) == FLOOR
    assert max(seen) <= START * 1.5


def test_a_failed_trial_is_taken_back_and_rests() -> None:
    window = Window(ReadConfig())
    seen = settle(window, lambda _: 1000.0, rounds=2 + PATIENCE)
    assert seen[0] == int(START * 1.5)
    assert seen[1:] == [START] * (1 + PATIENCE)


def test_a_slow_consumer_changes_nothing() -> None:
    window = Window(ReadConfig())
    for completed in (10, 1000, 100_000):
        window.observe(completed, 10.0, 1.0)
    assert window.in_flight == START


def test_a_consumer_that_became_slow_ends_a_trial_without_a_verdict() -> None:
    window = Window(ReadConfig())
    window.observe(1000, 1.0, 1.0)
    tried = window.in_flight
    window.observe(1, 1.0, 0.0)
    assert window.in_flight == tried


@pytest.mark.parametrize("in_flight", [1, 7, 5000])
def test_a_fixed_number_stays(in_flight: int) -> None:
    window = Window(ReadConfig(in_flight=in_flight))
    assert set(settle(window, lambda n: n * 10.0)) == {in_flight}


def test_a_stretch_of_no_time_is_ignored() -> None:
    window = Window(ReadConfig())
    window.observe(100, 0.0, 0.0)
    assert window.in_flight == START


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(1e-6, 1e3), st.floats(0, 1)), max_size=100))
def test_it_stays_within_its_bounds(stretches: list[tuple[int, float, float]]) -> None:
    window = Window(ReadConfig())
    for completed, elapsed, share in stretches:
        window.observe(completed, elapsed, share * elapsed)
        assert FLOOR <= window.in_flight <= CAP
