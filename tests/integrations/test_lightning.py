"""Lightning's Trainer and Fabric, with an `AISDataLoader` and no flag: every sample once, in each epoch anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.ranks import run_all
from tests.support.trainers import (
    BATCH,
    COUNT,
    check_epoch,
    check_epochs,
    epoch_of,
    epochs_of,
    loader_of,
    plain_loader_of,
)

lightning = pytest.importorskip("lightning", reason="pip install 'aistorch[test]'")

KINDS = ("map", "iter", "shards")
LOADERS = [(kind, workers) for kind in KINDS for workers in (0, 2)]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def found(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What two ranks have read in each loop; by one pair of processes, since they take long to start."""
    folder = str(tmp_path_factory.mktemp("lightning"))
    return run_all(trained, evaluated, interrupted, with_fabric, args=(endpoint, folder), group=False, timeout=360)


class Noting(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.by_epoch: dict[int, list[int]] = {}
        self.validated: list[int] = []
        self.predicted: list[int] = []

    @property
    def epochs(self) -> list[list[int]]:
        return list(self.by_epoch.values())

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        self.by_epoch.setdefault(self.trainer.current_epoch, []).extend(batch.tolist())
        return self.layer(batch[:, None].float()).mean()  # type: ignore[no-any-return]

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        self.validated += batch.tolist()

    def predict_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        self.predicted += batch.tolist()
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def trainer(**options: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {"enable_checkpointing": False, "accelerator": "cpu", "devices": 2, "strategy": "ddp"}
    return lightning.Trainer(**{**quiet, **settings, "max_epochs": 2, **options})


def trained(endpoint: str, folder: str) -> list[tuple[Any, ...]]:
    found = []
    for kind, workers in LOADERS:
        for make in (loader_of, plain_loader_of):
            model = Noting()
            trainer().fit(model, make(kind, endpoint, workers))
            found.append((make.__name__, kind, workers, model.epochs))
    return found


def test_trainer_reads_every_sample_once_an_epoch_in_a_new_order(found: dict[str, list[Any]]) -> None:
    for first, second in zip(*found["trained"], strict=True):
        assert first[:3] == second[:3]
        check_epochs([first[3], second[3]], case=first[:3])


def evaluated(endpoint: str, folder: str) -> list[tuple[Any, ...]]:
    found = []
    for kind, workers in LOADERS:
        model, loader = Noting(), loader_of(kind, endpoint, workers)
        runs = trainer()
        runs.validate(model, loader, verbose=False)
        predictions = runs.predict(model, loader)
        found.append((kind, model.validated, model.predicted, torch.cat(predictions).tolist()))
    return found


def test_validate_and_predict_read_every_sample_once(found: dict[str, list[Any]]) -> None:
    for first, second in zip(*found["evaluated"], strict=True):
        check_epoch([first[1], second[1]], case=first[0])
        assert sorted(first[2] + second[2]) == list(range(COUNT)), first[0]
        assert first[3] == first[2]


def interrupted(endpoint: str, folder: str) -> list[tuple[Any, ...]]:
    found = []
    for kind, workers in LOADERS:
        whole = epochs_of(loader_of(kind, endpoint, workers))
        steps = -(-len(whole[0]) // BATCH) + 2
        saving = lightning.pytorch.callbacks.ModelCheckpoint(
            Path(folder) / f"{kind}-{workers}", filename="saved", every_n_train_steps=steps, save_top_k=-1
        )
        stopped, rest = Noting(), Noting()
        runs = trainer(max_epochs=3, max_steps=steps, enable_checkpointing=True, callbacks=[saving])
        runs.fit(stopped, loader_of(kind, endpoint, workers))
        path = Path(folder) / f"{kind}-{workers}" / "saved.ckpt"
        trainer(max_epochs=3).fit(rest, loader_of(kind, endpoint, workers), ckpt_path=path)
        found.append(((kind, workers), whole, stopped.epochs, rest.epochs))
    return found


def test_a_checkpoint_within_an_epoch_goes_on_exactly(found: dict[str, list[Any]]) -> None:
    for rank in found["interrupted"]:
        for case, whole, stopped, rest in rank:
            assert stopped == [whole[0], whole[1][: 2 * BATCH]], case
            assert [stopped[1] + rest[0], rest[1]] == whole[1:], case


def with_fabric(endpoint: str, folder: str) -> list[tuple[Any, ...]]:
    fabric = lightning.Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    found = []
    for kind, workers in LOADERS:
        loader = fabric.setup_dataloaders(loader_of(kind, endpoint, workers))
        epochs = [epoch_of(loader) for _ in range(3)]
        path = str(Path(folder) / f"fabric-{kind}-{workers}")
        saved = loader_of(kind, endpoint, workers)
        running = fabric.setup_dataloaders(saved)
        first, batches = epoch_of(running), iter(running)
        begun = [number for _ in range(2) for number in next(batches).tolist()]
        fabric.save(path, {"loader": saved})
        loaded = loader_of(kind, endpoint, workers)
        running = fabric.setup_dataloaders(loaded)
        fabric.load(path, {"loader": loaded})
        found.append(((kind, workers), epochs, [first, begun + epoch_of(running), epoch_of(running)]))
    return found


def test_fabric_reads_every_sample_once_and_goes_on_from_a_checkpoint(found: dict[str, list[Any]]) -> None:
    for first, second in zip(*found["with_fabric"], strict=True):
        check_epochs([first[1], second[1]], case=first[0])
        assert first[2] == first[1], first[0]
        assert second[2] == second[1], first[0]
