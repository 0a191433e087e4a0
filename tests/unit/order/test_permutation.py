"""The shuffle: a bijection for any number, the same everywhere, and without a pattern that statistics find."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aistorch.errors import InvalidArgumentError, SampleIndexError
from aistorch.order.permutation import MAX_COUNT, epoch_permutation

SEEDS = st.integers(-(2**70), 2**70)
# Chance puts a statistic beyond so many standard deviations once in ten thousand to a million; the seeds are fixed.
_FAR = 4.5


def shuffled(count: int, seed: int = 0, epoch: int = 0) -> NDArray[np.int64]:
    return epoch_permutation(count, seed, epoch)(np.arange(count))


def deviation(counts: NDArray[np.int64], freedom: int, expected: NDArray[np.float64] | float) -> float:
    """How many standard deviations the chi-square of these counts lies from what chance gives (Wilson-Hilferty)."""
    square = float(((counts - expected) ** 2 / expected).sum())
    spread = 2 / (9 * freedom)
    return float(((square / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def table(rows: NDArray[np.int64], columns: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


@given(st.integers(0, 3000), SEEDS, st.integers(0, 1000))
def test_each_value_stands_at_one_position(count: int, seed: int, epoch: int) -> None:
    values = shuffled(count, seed, epoch)
    assert np.array_equal(np.sort(values), np.arange(count))
    assert np.array_equal(epoch_permutation(count, seed, epoch).inverse(values), np.arange(count))


@given(st.integers(1, MAX_COUNT), SEEDS, st.data())
def test_any_part_of_any_number_is_computed_alone(count: int, seed: int, data: st.DataObject) -> None:
    positions = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20, unique=True))
    permutation = epoch_permutation(count, seed, 1)
    values = permutation(positions)
    assert values.dtype == np.int64
    assert len(set(values.tolist())) == len(positions)
    assert all(0 <= value < count for value in values.tolist())
    assert permutation.inverse(values).tolist() == positions
    assert [int(permutation([position])[0]) for position in positions] == values.tolist()


def test_the_order_is_the_same_in_every_release() -> None:
    """A saved position is worth something only where the order stays what it was."""
    assert epoch_permutation(10, 0, 0)(range(10)).tolist() == [4, 9, 8, 3, 6, 7, 5, 0, 1, 2]
    assert epoch_permutation(10**12, 7, 3)([0, 1, 10**12 - 1]).tolist() == [135243064351, 321006599084, 686982216937]


def test_shapes_are_kept() -> None:
    permutation = epoch_permutation(100, 1, 1)
    assert permutation(np.arange(100).reshape(4, 25)).shape == (4, 25)
    assert permutation(5).shape == ()
    assert permutation([]).tolist() == []


def test_seed_and_epoch_each_give_another_order() -> None:
    orders = {tuple(shuffled(50, seed, epoch).tolist()) for seed in range(-5, 5) for epoch in range(10)}
    assert len(orders) == 100


@pytest.mark.parametrize("position", [-1, 10])
def test_positions_outside_are_refused(position: int) -> None:
    permutation = epoch_permutation(10, 0, 0)
    for way in (permutation, permutation.inverse):
        with pytest.raises(SampleIndexError, match=f"position {position} is outside a permutation of 10"):
            way([3, position])


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1])
def test_impossible_numbers_are_refused(count: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"of {count} positions"):
        epoch_permutation(count, 0, 0)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_all_orders_of_a_few_are_equally_likely(count: int) -> None:
    orders = {order: number for number, order in enumerate(permutations(range(count)))}
    epochs = 40 * len(orders)
    found = [orders[tuple(shuffled(count, 11, epoch).tolist())] for epoch in range(epochs)]
    counts = np.bincount(found, minlength=len(orders))
    assert abs(deviation(counts, len(orders) - 1, 40)) < _FAR


@pytest.mark.parametrize("count", [2, 3, 6, 8, 13, 17])
def test_over_many_epochs_each_value_is_as_often_at_each_position_and_after_each_other(count: int) -> None:
    epochs = 1000
    orders = np.stack([shuffled(count, 5, epoch) for epoch in range(epochs)])
    positions = table(np.tile(np.arange(count), epochs), orders.reshape(-1), count)
    assert abs(deviation(positions, (count - 1) ** 2, epochs / count)) < _FAR
    pairs = table(orders[:, :-1].reshape(-1), orders[:, 1:].reshape(-1), count)
    assert not pairs.diagonal().any()
    others = pairs[~np.eye(count, dtype=bool)]
    assert abs(deviation(others, count * (count - 1) - 1, epochs / count)) < _FAR


@pytest.mark.parametrize("count", [1000, 4096, 65_537, 1_000_000])
def test_within_an_epoch_positions_and_neighbours_are_spread_evenly(count: int) -> None:
    cells = 10 if count < 10_000 else 64
    freedom = (cells - 1) ** 2
    values = shuffled(count, 3, 8)
    where, what, later = (
        np.arange(count) * cells // count,
        values * cells // count,
        shuffled(count, 3, 9) * cells // count,
    )
    size = np.bincount(what, minlength=cells)
    expected = size[:, None] * size[None, :] / count
    assert abs(deviation(table(where, what, cells), freedom, expected)) < _FAR
    assert abs(deviation(table(what[:-1], what[1:], cells), freedom, expected)) < _FAR
    assert abs(deviation(table(what, later, cells), freedom, expected)) < _FAR  # epochs have nothing in common
    steps = (np.diff(values) % count) * cells // count
    assert abs(deviation(np.bincount(steps, minlength=cells), cells - 1, (count - 1) / cells)) < _FAR


def test_low_bits_are_as_good_as_high_ones() -> None:
    values = shuffled(1 << 16, 3, 1)
    for modulus in (2, 3, 8, 17):
        counts = table(values[:-1] % modulus, values[1:] % modulus, modulus)
        size = np.bincount(values % modulus)
        assert abs(deviation(counts, (modulus - 1) ** 2, size[:, None] * size[None, :] / len(values))) < _FAR


def test_as_many_values_stay_where_they_are_as_chance_leaves_there() -> None:
    """One an epoch on average, whatever the number of positions."""
    fixed = [int((shuffled(200, 1, epoch) == np.arange(200)).sum()) for epoch in range(600)]
    assert abs(sum(fixed) - 600) < 4 * math.sqrt(600)
