"""A loop of one's own under torchrun: no call for epochs, a state kept by torch.distributed.checkpoint."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from tests.support.ranks import run_all
from tests.support.trainers import BATCH, check_epochs, epoch_of, epochs_of, loader_of, plain_loader_of

CASES = [(kind, workers) for kind in ("map", "iter", "shards") for workers in (0, 2)]
WAYS = ("set_epoch", "sampler.set_epoch", "batch_sampler.sampler.set_epoch")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def found(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What two ranks have read in each loop; by one pair of processes, since they take long to start."""
    folder = str(tmp_path_factory.mktemp("torch"))
    return run_all(in_own_loop, set_by, saved_by_torch, args=(endpoint, folder), timeout=360)


def in_own_loop(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    found = {}
    for kind, workers in CASES:
        loader = loader_of(kind, endpoint, workers)
        found[f"{kind}, {workers} workers"] = [epoch_of(loader) for _ in range(3)]
        if kind != "map":
            plain = plain_loader_of(kind, endpoint, workers)
            found[f"{kind}, {workers} workers, torch's loader"] = [epoch_of(plain) for _ in range(3)]
    kept = loader_of("iter", endpoint, 2, persistent_workers=True)
    found["persistent workers"] = [epoch_of(kept) for _ in range(3)]
    return found


def test_epochs_advance_and_every_sample_is_read_once(found: dict[str, list[Any]]) -> None:
    first, second = found["in_own_loop"]
    for case in first:
        check_epochs([first[case], second[case]], case=case)


def set_by(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    found = {}
    for kind, workers in CASES:
        for way in WAYS:
            loader = loader_of(kind, endpoint, workers, **({"persistent_workers": True} if workers else {}))
            orders = []
            for epoch in (0, 5, 5):
                operator.attrgetter(way)(loader)(epoch)
                orders.append(epoch_of(loader))
            found[f"{kind}, {workers} workers, by {way}"] = orders
    return found


def test_an_epoch_that_is_set_arrives_by_the_loader_and_its_samplers(found: dict[str, list[Any]]) -> None:
    for rank in found["set_by"]:
        for kind, workers in CASES:
            first, *others = (rank[f"{kind}, {workers} workers, by {way}"] for way in WAYS)
            assert first[0] != first[1]
            assert first[1] == first[2], kind
            assert others == [first, first], kind


def saved_by_torch(endpoint: str, folder: str) -> dict[str, Any]:
    found = {}
    for kind, workers in CASES:
        path = Path(folder) / f"{kind}-{workers}"
        whole = epochs_of(loader_of(kind, endpoint, workers))
        loader = loader_of(kind, endpoint, workers)
        epoch_of(loader)
        batches = iter(loader)
        begun = [number for _ in range(2) for number in next(batches).tolist()]
        save({"loader": loader}, checkpoint_id=path)
        loaded = loader_of(kind, endpoint, workers)
        load({"loader": loaded}, checkpoint_id=path)
        found[f"{kind}, {workers} workers"] = whole, [begun + epoch_of(loaded), epoch_of(loaded)], len(begun)
    return found


def test_a_state_in_a_checkpoint_of_torch_goes_on_exactly(found: dict[str, list[Any]]) -> None:
    for rank in found["saved_by_torch"]:
        for case, (whole, resumed, begun) in rank.items():
            assert begun == 2 * BATCH
            assert resumed == whole[1:], case
