"""Epochs are counted by themselves, by each reader on its own, and what is pinned reaches all of them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch.multiprocessing as multiprocessing
from torch.utils.data import Dataset, _utils

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.loading.epochs import MAX_WORKERS, EpochCounter, checked_epoch


class As:
    """In a `with` block this process is a worker of a loader."""

    def __init__(self, worker: int, workers: int) -> None:
        self.info = _utils.worker.WorkerInfo(id=worker, num_workers=workers, seed=0, dataset=Dataset())

    def __enter__(self) -> None:
        _utils.worker._worker_info = self.info

    def __exit__(self, *_: object) -> None:
        _utils.worker._worker_info = None


def begin(counter: EpochCounter, worker: int, workers: int) -> int:
    with As(worker, workers):
        return counter.begin()


def test_each_iteration_is_the_next_epoch() -> None:
    counter = EpochCounter()
    assert (counter.current, counter.next, counter.has_begun) == (0, 0, False)
    assert [counter.begin() for _ in range(3)] == [0, 1, 2]
    assert (counter.current, counter.next, counter.has_begun) == (2, 3, True)


def test_a_pin_says_which_epoch_the_next_iteration_is() -> None:
    counter = EpochCounter()
    counter.begin()
    for epoch in (7, 7, 0):
        counter.pin(epoch)
        assert (counter.current, counter.next) == (epoch, epoch)
        assert [counter.begin(), counter.begin()] == [epoch, epoch + 1]


def test_workers_of_one_loader_agree_whoever_begins_first() -> None:
    counter = EpochCounter()
    assert [begin(counter, worker, 3) for worker in (2, 0, 1, 1, 2, 0)] == [0, 0, 0, 1, 1, 1]
    counter.pin(5)
    assert [begin(counter, worker, 3) for worker in (0, 1, 2, 2, 1, 0)] == [5, 5, 5, 6, 6, 6]


def test_loaders_of_other_numbers_of_workers_count_on_their_own() -> None:
    counter = EpochCounter()
    assert [begin(counter, worker, 2) for worker in (0, 1, 0, 1)] == [0, 0, 1, 1]
    # Were they counted together, workers 0 and 1 of the second loader would be ahead of worker 2.
    assert [begin(counter, worker, 3) for worker in (0, 1, 2)] == [0, 0, 0]
    assert (counter.begin(), begin(counter, 0, 1)) == (0, 0)


def test_what_a_worker_pins_is_its_own() -> None:
    counter = EpochCounter()
    with As(1, 2):
        counter.pin(4)
        assert [counter.begin(), counter.begin()] == [4, 5]
    assert (begin(counter, 0, 2), counter.begin()) == (0, 0)


def test_workers_do_the_epoch_that_the_loader_has_begun() -> None:
    counter = EpochCounter()
    for epoch in (0, 1):
        assert counter.begin_for_workers() == epoch
        assert [begin(counter, worker, 2) for worker in (0, 1)] == [epoch, epoch]
        assert (counter.current, counter.next) == (epoch, epoch + 1)


def test_other_numbers_of_workers_do_the_epoch_that_the_loader_has_begun() -> None:
    """Their own counts are behind: it is the loader that says which epoch it is."""
    counter = EpochCounter()
    counter.begin_for_workers()
    assert [begin(counter, worker, 2) for worker in (0, 1)] == [0, 0]
    assert counter.begin_for_workers() == 1
    assert [begin(counter, worker, 3) for worker in (0, 1, 2)] == [1, 1, 1]


def test_more_workers_than_are_counted_have_the_epoch_that_is_pinned() -> None:
    counter = EpochCounter()
    counter.pin(3)
    for worker in (0, MAX_WORKERS):
        assert [begin(counter, worker, MAX_WORKERS + 1) for _ in range(2)] == [3, 3]
    assert begin(counter, MAX_WORKERS - 1, MAX_WORKERS) == 3


def answer(counter: EpochCounter, asked: Any, answers: Any) -> None:
    """In another process: tells the next epoch each time it is asked."""
    with As(0, 1):
        while asked.get():
            answers.put(counter.next)


@pytest.mark.parametrize(("start", "copied"), [("fork", False), ("fork", True), ("spawn", True)])
def test_a_worker_sees_what_is_pinned_later(start: str, copied: bool) -> None:
    context: Any = multiprocessing.get_context(start)
    asked, answers = context.Queue(), context.Queue()
    counter = pickle.loads(pickle.dumps(EpochCounter())) if copied else EpochCounter()
    process = context.Process(target=answer, args=(counter, asked, answers))
    process.start()
    for epoch in (0, 5, 1 << 40):
        counter.pin(epoch)
        asked.put(True)
        assert answers.get(timeout=60) == epoch
    asked.put(False)
    process.join()


@pytest.mark.parametrize("make", [copy.deepcopy, lambda counter: pickle.loads(pickle.dumps(counter))])
def test_a_copy_counts_on_its_own_from_where_the_original_is(make: Any) -> None:
    counter = EpochCounter()
    fresh = make(counter)
    counter.pin(3)
    pinned = make(counter)
    counter.begin()
    begun = make(counter)
    counter.pin(9)
    assert [each.next for each in (fresh, pinned, begun)] == [0, 3, 4]
    assert begun.current == 3


def test_what_is_no_epoch_is_refused() -> None:
    assert checked_epoch(0) == 0
    for epoch in (-1, 1 << 63):
        with pytest.raises(InvalidArgumentError, match="epoch is"):
            checked_epoch(epoch)
    for wrong in (1.0, "1", None):
        with pytest.raises(ArgumentTypeError, match="whole number"):
            checked_epoch(wrong)
