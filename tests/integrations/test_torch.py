"""A loop of one's own under torchrun: no call for epochs, a state kept by torch.distributed.checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.distributed import checkpoint

from tests.support.ranks import run_ranks
from tests.support.trainers import BATCH, check_epochs, epoch_of, epochs_of, loader_of, plain_loader_of

CASES = [(kind, workers) for kind in ("map", "iter", "shards") for workers in (0, 2)]


def in_own_loop(endpoint: str) -> dict[str, list[list[int]]]:
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


def test_epochs_advance_and_every_sample_is_read_once(endpoint: str) -> None:
    first, second = run_ranks(in_own_loop, endpoint)
    for case in first:
        check_epochs([first[case], second[case]], case=case)


def set_by(endpoint: str) -> dict[str, list[list[int]]]:
    found = {}
    for kind, workers in CASES:
        ways = {"loader": lambda loader: loader, "sampler": lambda loader: loader.sampler}
        ways["batch sampler"] = lambda loader: loader.batch_sampler.sampler
        for way, part in ways.items():
            loader = loader_of(kind, endpoint, workers, **({"persistent_workers": True} if workers else {}))
            orders = []
            for epoch in (0, 5, 5):
                part(loader).set_epoch(epoch)
                orders.append(epoch_of(loader))
            found[f"{kind}, {workers} workers, by {way}"] = orders
    return found


def test_an_epoch_that_is_set_arrives_by_the_loader_and_its_samplers(endpoint: str) -> None:
    for rank in run_ranks(set_by, endpoint):
        for kind, workers in CASES:
            first, *others = (
                rank[f"{kind}, {workers} workers, by {way}"] for way in ("loader", "sampler", "batch sampler")
            )
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
        checkpoint.save({"loader": loader}, checkpoint_id=path)
        loaded = loader_of(kind, endpoint, workers)
        checkpoint.load({"loader": loaded}, checkpoint_id=path)
        found[f"{kind}, {workers} workers"] = whole, [begun + epoch_of(loaded), epoch_of(loaded)], len(begun)
    return found


def test_a_state_in_a_checkpoint_of_torch_goes_on_exactly(endpoint: str, tmp_path: Path) -> None:
    for rank in run_ranks(saved_by_torch, endpoint, str(tmp_path)):
        for case, (whole, resumed, begun) in rank.items():
            assert begun == 2 * BATCH
            assert resumed == whole[1:], case
