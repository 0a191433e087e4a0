"""What of an iterable dataset's order travels with a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from torch import distributed
from torch.utils.data._utils import worker as torch_worker

from aistorch import AISIterDataset


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def dataset(**order: Any) -> AISIterDataset:
    return AISIterDataset(client_url="http://127.0.0.1:1", urls_list="ais://b", **order)


def within_a_worker(monkeypatch: pytest.MonkeyPatch, copy: AISIterDataset) -> None:
    info = torch_worker.WorkerInfo(id=0, num_workers=1, seed=0, dataset=copy)
    monkeypatch.setattr(torch_worker, "_worker_info", info)


@pytest.fixture
def rank_1_of_3(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """`torch.distributed` as it is in a parent that has joined a group without environment variables."""
    with monkeypatch.context() as patch:
        patch.setattr(distributed, "is_initialized", lambda: True)
        patch.setattr(distributed, "get_rank", lambda: 1)
        patch.setattr(distributed, "get_world_size", lambda: 3)
        yield patch


def test_a_spawned_worker_has_the_rank_of_its_parent(
    monkeypatch: pytest.MonkeyPatch, rank_1_of_3: pytest.MonkeyPatch
) -> None:
    assert dataset().place().ranks == 3
    copies = [pickle.loads(pickle.dumps(made)) for made in (dataset(), dataset(rank=0, world_size=2))]
    rank_1_of_3.undo()
    # In a process that is no worker it is of no account: that may be another rank's.
    assert [copy.place().ranks for copy in copies] == [1, 2]
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "5")
    assert copies[0].place().ranks == 5
    within_a_worker(monkeypatch, copies[0])
    assert [copy.place().ranks for copy in copies] == [3, 2]


def test_the_epoch_and_the_arguments_travel() -> None:
    made = dataset(shuffle=True, seed=3, batch_size=4, even="drop", rank=1, world_size=2)
    made.set_epoch(7)
    copy = pickle.loads(pickle.dumps(made))
    for name in ("shuffle", "seed", "batch_size", "even", "epoch"):
        assert getattr(copy, name) == getattr(made, name)
    assert copy.place() == made.place()
