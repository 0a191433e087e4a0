"""Gatherings of samples: none is lost, none too large, and the same ones come when reading begins in their midst."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from aistorch.config import ShuffleConfig
from aistorch.shards.pieces import Run
from aistorch.shards.window import Window, windows

Sample = tuple[int, int, int]


@st.composite
def runs(draw: st.DrawFn) -> list[Run[Sample]]:
    """Samples of pieces in runs: the piece, the number in it, the size."""
    made = []
    for piece in range(draw(st.integers(0, 4))):
        first = 0
        for length in draw(st.lists(st.integers(0, 5), max_size=4)):
            samples = [(piece, first + number, draw(st.integers(0, 9))) for number in range(length)]
            made.append(Run(piece, first, samples))
            first += length
    return made


configs = st.builds(ShuffleConfig, buffer=st.integers(1, 9), max_bytes=st.integers(1, 40))


def size_of(sample: Sample) -> int:
    return sample[2]


def all_of(given_runs: list[Run[Sample]]) -> list[Sample]:
    return [sample for run in given_runs for sample in run.samples]


@given(runs(), configs)
def test_each_sample_is_in_one_window_as_large_as_may_be(given_runs: list[Run[Sample]], config: ShuffleConfig) -> None:
    found = list(windows(given_runs, config, size_of))
    assert [sample for window in found for sample in window.samples] == all_of(given_runs)
    assert [window.number for window in found] == list(range(len(found)))
    for window in found:
        assert (window.piece, window.first) == window.samples[0][:2]
        assert 0 < len(window.samples) <= config.buffer
        assert sum(map(size_of, window.samples[:-1])) < config.max_bytes
    for window in found[:-1]:
        assert len(window.samples) == config.buffer or sum(map(size_of, window.samples)) >= config.max_bytes


@given(runs(), configs, st.integers(0, 9))
def test_windows_are_the_same_if_reading_begins_with_one(
    given_runs: list[Run[Sample]], config: ShuffleConfig, number: int
) -> None:
    whole = list(windows(given_runs, config, size_of))
    if number >= len(whole):
        return
    skipped = list(accumulate((len(window.samples) for window in whole), initial=0))[number]
    rest = [Run(piece, at, [(piece, at, size)]) for piece, at, size in all_of(given_runs)[skipped:]]
    assert list(windows(rest, config, size_of, number)) == whole[number:]


@given(st.integers(0, 40), st.integers(0, 5), st.integers(0, 3), st.integers(0, 3))
def test_the_order_in_a_window(length: int, number: int, epoch: int, reader: int) -> None:
    window = Window(number, 0, 0, list(range(length)))
    order = window.shuffled(7, epoch, reader)
    assert sorted(order) == list(range(length))
    assert order == Window(number, 3, 5, list(range(length))).shuffled(7, epoch, reader)


def test_the_order_depends_on_seed_epoch_reader_and_window() -> None:
    samples = list(range(50))
    orders = {
        tuple(Window(number, 0, 0, samples).shuffled(seed, epoch, reader))
        for number in range(2)
        for seed in range(2)
        for epoch in range(2)
        for reader in range(2)
    }
    assert len(orders) == 16
    assert tuple(samples) not in orders
