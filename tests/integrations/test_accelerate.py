"""Accelerate: whatever is prepared, every sample is read once an epoch; an `AISDataLoader` keeps its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from aistorch import AISBatchSampler, AISDataLoader
from tests.support.ranks import run_all
from tests.support.trainers import (
    BATCH,
    COUNT,
    check_epochs,
    dataset_of,
    epoch_of,
    epochs_of,
    loader_of,
    numbers,
    plain_loader_of,
)

pytest.importorskip("accelerate", reason="pip install 'aistorch[test]'")

KINDS = ("map", "iter", "shards")
EPOCHS = 2

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def found(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What two ranks have read in each loop; by one pair of processes, since they take long to start."""
    folder = str(tmp_path_factory.mktemp("accelerate"))
    return run_all(
        prepared,
        prepared_by_torch,
        checkpointed,
        skipped,
        gathered,
        accumulated,
        args=(endpoint, folder),
        group=False,
        timeout=360,
    )


def accelerator(**options: Any) -> Any:
    from accelerate import Accelerator, DataLoaderConfiguration

    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**options))


def prepared(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    found = {}
    for kind in KINDS:
        for workers in (0, 2):
            loader = accelerator().prepare(loader_of(kind, endpoint, workers))
            found[f"{kind}, {workers} workers"] = [epoch_of(loader) for _ in range(EPOCHS)]
    return found


def test_a_prepared_loader_reads_every_sample_once(found: dict[str, list[Any]]) -> None:
    first, second = found["prepared"]
    for case in first:
        check_epochs([first[case], second[case]], case=case)


def prepared_by_torch(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    found = {}
    for dispatch in (None, True, False):
        for kind, workers in (("iter", 0), ("iter", 2), ("shards", 0), ("shards", 2), ("legacy", 0), ("legacy", 2)):
            loader = accelerator(dispatch_batches=dispatch).prepare(plain_loader_of(kind, endpoint, workers))
            found[f"{kind}, {workers} workers, {dispatch}"] = [epoch_of(loader) for _ in range(EPOCHS)]
    loader = accelerator(dispatch_batches=False).prepare(
        plain_loader_of("iter", endpoint, 2, multiprocessing_context="spawn")
    )
    found["iter, spawned, shard"] = [epoch_of(loader)]
    loader = accelerator().prepare(plain_loader_of("iter", endpoint, 2, multiprocessing_context="spawn"))
    found["iter, spawned, dispatcher"] = [epoch_of(loader)]
    for workers in (0, 2):
        dataset = dataset_of("map", endpoint)
        batches = AISBatchSampler(dataset, BATCH, shuffle=True)
        loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=numbers)
        for name, options in (("", {}), ("split", {"split_batches": True}), ("uneven", {"even_batches": False})):
            ready = accelerator(**options).prepare(loader)
            found[f"batch sampler, {workers} workers {name}"] = [epoch_of(ready) for _ in range(EPOCHS)]
        found[f"map, {workers} workers"] = [epoch_of(accelerator().prepare(plain_loader_of("map", endpoint, workers)))]
    return found


def test_a_loader_of_torch_is_shared_by_accelerate_alone(found: dict[str, list[Any]]) -> None:
    first, second = found["prepared_by_torch"]
    for case in first:
        # Accelerate fills up the last batch of every rank with samples from the start.
        check_epochs([first[case], second[case]], padding=2 * BATCH - COUNT % (2 * BATCH), case=case)


def checkpointed(endpoint: str, folder: str) -> dict[str, Any]:
    found = {}
    for kind in KINDS:
        for workers in (0, 2):
            path = Path(folder) / f"{kind}-{workers}"
            whole = loader_of(kind, endpoint, workers)
            epochs = epochs_of(whole)
            here = accelerator()
            loader = here.prepare(loader_of(kind, endpoint, workers))
            epoch_of(loader)
            batches = iter(loader)
            begun = [number for _ in range(2) for number in next(batches).tolist()]
            here.save_state(str(path))
            here.wait_for_everyone()
            there = accelerator()
            loader = there.prepare(loader_of(kind, endpoint, workers))
            there.load_state(str(path))
            found[f"{kind}, {workers} workers"] = epochs, begun + epoch_of(loader), epoch_of(loader)
    return found


def test_a_saved_state_goes_on_exactly(found: dict[str, list[Any]]) -> None:
    for rank in found["checkpointed"]:
        for case, (epochs, resumed, following) in rank.items():
            assert resumed == epochs[1], case
            assert following == epochs[2], case


def skipped(endpoint: str, folder: str) -> dict[str, Any]:
    from accelerate import skip_first_batches

    found = {}
    for kind in KINDS:
        for workers in (0, 2):
            loader = accelerator().prepare(loader_of(kind, endpoint, workers))
            loader.set_epoch(5)
            whole = epoch_of(loader)
            loader.set_epoch(5)
            found[f"{kind}, {workers} workers"] = whole, epoch_of(skip_first_batches(loader, 2))
    return found


def test_batches_are_skipped(found: dict[str, list[Any]]) -> None:
    for rank in found["skipped"]:
        for case, (whole, rest) in rank.items():
            assert rest == whole[2 * BATCH :], case


def gathered(endpoint: str, folder: str) -> dict[int, list[int]]:
    found = {}
    for workers in (0, 2):
        here = accelerator()
        index = dataset_of("iter", endpoint).index[: COUNT - 1]
        dataset = dataset_of("iter", endpoint, shuffle=False, index=index)
        loader = here.prepare(AISDataLoader(dataset, BATCH, num_workers=workers, collate_fn=numbers))
        found[workers] = [number for batch in loader for number in here.gather_for_metrics(batch).tolist()]
    return found


def accumulated(endpoint: str, folder: str) -> list[bool]:
    here = accelerator()
    here.gradient_accumulation_steps = 4
    model, loader, other = here.prepare(torch.nn.Linear(1, 1), loader_of("iter", endpoint), loader_of("map", endpoint))
    steps = []
    for _ in loader:
        next(iter(other))  # and left
        with here.accumulate(model):
            steps.append(here.sync_gradients)
    return steps


def test_metrics_leave_out_what_was_repeated(found: dict[str, list[Any]]) -> None:
    for rank in found["gathered"]:
        assert rank == {0: list(range(COUNT - 1)), 2: list(range(COUNT - 1))}


def test_the_last_batch_of_an_epoch_ends_an_accumulation(found: dict[str, list[Any]]) -> None:
    for steps in found["accumulated"]:
        assert steps == [False, False, False, True, False, True]
