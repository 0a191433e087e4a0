"""The epoch reaches processes that were started before it was set; other copies have one of their own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch.multiprocessing as multiprocessing

from aistorch.loading.epochs import SharedEpoch


def answer(epoch: SharedEpoch, asked: Any, answers: Any) -> None:
    """In another process: tells the epoch each time it is asked."""
    while asked.get():
        answers.put(epoch.number)


@pytest.mark.parametrize(("start", "copied"), [("fork", False), ("fork", True), ("spawn", True)])
def test_a_process_sees_what_is_set_later(start: str, copied: bool) -> None:
    context: Any = multiprocessing.get_context(start)
    asked, answers = context.Queue(), context.Queue()
    epoch = pickle.loads(pickle.dumps(SharedEpoch())) if copied else SharedEpoch()
    process = context.Process(target=answer, args=(epoch, asked, answers))
    process.start()
    for number in (0, 5, 1 << 40):
        epoch.number = number
        asked.put(True)
        assert answers.get(timeout=60) == number
    asked.put(False)
    process.join()


@pytest.mark.parametrize("make", [copy.deepcopy, lambda epoch: pickle.loads(pickle.dumps(epoch))])
def test_a_copy_has_its_own(make: Any) -> None:
    epoch = SharedEpoch()
    epoch.number = 3
    other = make(epoch)
    epoch.number = 4
    assert (epoch.number, other.number) == (4, 3)
