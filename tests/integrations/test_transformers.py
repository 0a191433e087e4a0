"""The Trainer of Transformers: with a dataset of each kind, and with a loader of ours in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.ranks import run_all
from tests.support.trainers import BATCH, COUNT, check_epochs, dataset_of, numbers

transformers = pytest.importorskip("transformers", reason="pip install 'aistorch[test]'")

EPOCHS = 2
CASES = [(kind, workers) for kind in ("map", "iter", "shards") for workers in (0, 2)]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def found(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What two ranks have read in each loop; by one pair of processes, since they take long to start."""
    folder = str(tmp_path_factory.mktemp("transformers"))
    return run_all(
        dispatched, not_dispatched, by_our_loader, interrupted, args=(endpoint, folder), group=False, timeout=360
    )


class Noting(torch.nn.Module):
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.noted: list[int] = []

    def forward(self, number: torch.Tensor) -> dict[str, torch.Tensor]:
        self.noted += number.tolist()
        return {"loss": self.layer(number[:, None].float()).mean() * 0}


def collate(samples: list[Any]) -> dict[str, torch.Tensor]:
    return {"number": numbers(samples)}


def arguments(folder: str, workers: int, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": EPOCHS,
        "dataloader_num_workers": workers,
        "remove_unused_columns": False,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return transformers.TrainingArguments(output_dir=folder, **{**settings, **options})


def dispatched(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    return trained(endpoint, folder, None)


def not_dispatched(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    return trained(endpoint, folder, False)


def by_our_loader(endpoint: str, folder: str) -> dict[str, list[list[int]]]:
    return trained(endpoint, folder, ours=True)


def trained(endpoint: str, folder: str, dispatch: bool | None = None, ours: bool = False) -> dict[str, list[list[int]]]:
    from aistorch.integrations.transformers import AISTrainerMixin

    class Ours(AISTrainerMixin, transformers.Trainer):  # type: ignore[misc, name-defined]
        pass

    found = {}
    for kind, workers in CASES if ours else (*CASES, ("legacy", 0), ("legacy", 2)):
        model = Noting()
        config = {"dispatch_batches": dispatch}
        trainer = (Ours if ours else transformers.Trainer)(
            model,
            arguments(folder, workers, accelerator_config=config),
            train_dataset=dataset_of(kind, endpoint),
            data_collator=collate,
        )
        trainer.train()
        length = len(model.noted) // EPOCHS
        found[f"{kind}, {workers} workers"] = [model.noted[:length], model.noted[length:]]
    return found


@pytest.mark.parametrize("how", ["dispatched", "not_dispatched"])
def test_trainer_reads_every_sample_of_a_dataset_once(found: dict[str, list[Any]], how: str) -> None:
    first, second = found[how]
    for case in first:
        check_epochs([first[case], second[case]], padding=2 * BATCH - COUNT % (2 * BATCH), case=case)


def test_trainer_with_our_loader_reads_every_sample_once(found: dict[str, list[Any]]) -> None:
    first, second = found["by_our_loader"]
    for case in first:
        check_epochs([first[case], second[case]], case=case)


def interrupted(endpoint: str, folder: str) -> dict[str, tuple[list[int], list[int], list[int]]]:
    from aistorch.integrations.transformers import AISTrainerMixin

    class Ours(AISTrainerMixin, transformers.Trainer):  # type: ignore[misc, name-defined]
        pass

    found = {}
    for kind, workers in (("map", 2), ("iter", 0), ("iter", 2), ("shards", 2)):
        runs, steps = [], 8
        for name, options in (
            ("whole", {"save_strategy": "no"}),
            ("stopped", {"save_strategy": "steps", "save_steps": steps}),
            ("rest", {"save_strategy": "no"}),
        ):
            model, path = Noting(), Path(folder) / f"{kind}-{workers}"
            trainer = Ours(
                model, arguments(str(path), workers, **options), train_dataset=dataset_of(kind, endpoint),
                data_collator=collate,
            )  # fmt: skip
            if name == "stopped":
                trainer.add_callback(Stop(steps))
            trainer.train(resume_from_checkpoint=str(path / f"checkpoint-{steps}") if name == "rest" else None)
            runs.append(model.noted)
        found[f"{kind}, {workers} workers"] = tuple(runs)
    return found  # type: ignore[return-value]


class Stop(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
    """Ends a training within an epoch, after it was saved."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = state.global_step >= self.after


def test_a_checkpoint_goes_on_exactly(found: dict[str, list[Any]]) -> None:
    for rank in found["interrupted"]:
        for case, (whole, stopped, rest) in rank.items():
            assert stopped + rest == whole, case
