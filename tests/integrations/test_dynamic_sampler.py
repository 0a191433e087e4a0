"""`DynamicBatchSampler` in other loops, with two ranks: each batch once, or an error that says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from aistorch import AISDataLoader, DynamicBatchSampler
from tests.support.ranks import run_ranks

COSTS = [1 + 7 * number % 10 for number in range(101)]
DATA = torch.arange(101)
EPOCHS = 2

Found = list[list[list[int]]]
Loader = Callable[..., Any]


def sampler(**options: Any) -> DynamicBatchSampler:
    return DynamicBatchSampler(COSTS, 24, shuffle=True, buckets=3, cost=COSTS, **options)


def plain(**options: Any) -> DataLoader[Any]:
    return DataLoader(DATA, batch_sampler=sampler(**options))  # type: ignore[arg-type]


def ours(**options: Any) -> DataLoader[Any]:
    return AISDataLoader(DATA, batch_sampler=sampler(**options))  # type: ignore[arg-type]


def epoch_of(loader: Any) -> list[list[int]]:
    found = [batch.tolist() for batch in loader]
    assert len(found) == len(loader)
    return found


def epochs_of(loader: Any) -> Found:
    return [epoch_of(loader) for _ in range(EPOCHS)]


# Loops


def accelerate(loader: Any, **options: Any) -> Any:
    from accelerate import Accelerator, DataLoaderConfiguration

    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**options)).prepare(loader)


def accelerate_skips() -> Found:
    from accelerate import skip_first_batches

    return epochs_of(accelerate(skip_first_batches(plain(), 0)))


def accelerate_resumes() -> Found:
    """The second epoch, and the rest of it after three batches of each rank."""
    prepared = accelerate(plain())
    epoch_of(prepared)
    begun = prepared.batch_sampler.batch_sampler.next_state()
    whole = epoch_of(prepared)
    again = sampler()
    again.load_state_dict(again.state_after(3, begun))
    resumed = accelerate(DataLoader(DATA, batch_sampler=again))  # type: ignore[arg-type]
    resumed.set_epoch(again.epoch)
    return [whole, [batch.tolist() for batch in resumed]]


def lightning(loader: Any, predict: bool = False, **options: Any) -> Found:
    from lightning.pytorch import LightningModule, Trainer

    class Model(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.found: Found = [[] for _ in range(EPOCHS)]

        def training_step(self, batch: Any) -> Any:
            self.found[self.current_epoch].append(batch.tolist())
            return self.layer(batch[:, None].float()).mean()

        def predict_step(self, batch: Any) -> Any:
            self.found[0].append(batch.tolist())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-9)

    model = Model()
    trainer = Trainer(
        accelerator="cpu", strategy="ddp", devices=2, max_epochs=EPOCHS, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    if predict:
        trainer.predict(model, loader, return_predictions=False)
    else:
        trainer.fit(model, loader)
    return model.found


def fabric(loader: Any, **options: Any) -> Found:
    from lightning.fabric import Fabric

    run = Fabric(accelerator="cpu", strategy="ddp", devices=2)
    run.launch()
    return epochs_of(run.setup_dataloaders(loader, **options))


EACH_ONCE: dict[str, Callable[[], Found]] = {
    "no framework": lambda: epochs_of(plain()),
    "accelerate": lambda: epochs_of(accelerate(plain())),
    "accelerate, ours": lambda: epochs_of(accelerate(ours())),
    "accelerate, skip_first_batches": accelerate_skips,
    "lightning": lambda: lightning(plain(), use_distributed_sampler=False),
    "lightning, ours": lambda: lightning(ours()),
    "fabric": lambda: fabric(plain(), use_distributed_sampler=False),
    "fabric, ours": lambda: fabric(ours()),
}
OTHERS: dict[str, Callable[[], Found]] = {
    "accelerate, drop": lambda: epochs_of(accelerate(plain(even="drop"))),
    "accelerate, off": lambda: epochs_of(accelerate(plain(even="off"), even_batches=False)),
    "accelerate, resumed": accelerate_resumes,
    "lightning, predict": lambda: lightning(plain(even="off"), predict=True),
    "lightning, predict, ours": lambda: lightning(ours(even="off"), predict=True),
}
REFUSED: dict[str, Callable[[], Found]] = {
    "accelerate, off, though it repeats": lambda: epochs_of(accelerate(plain(even="off"))),
    "accelerate, split": lambda: epochs_of(accelerate(plain(), split_batches=True)),
    "lightning, as it is": lambda: lightning(plain()),
    "fabric, as it is": lambda: fabric(plain()),
    # The last one: it leaves the ranks at different places.
    "accelerate, dispatch": lambda: epochs_of(accelerate(plain(), dispatch_batches=True)),
}


def all_cases() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case, run in (EACH_ONCE | OTHERS | REFUSED).items():
        try:
            found[case] = run()
        except Exception as error:
            found[case] = f"{type(error).__name__}: {error}"
    return found


@pytest.fixture(scope="module")
def found() -> Any:
    """By rank and case, the batches of each epoch, or the error; all of one job, since it takes long to start."""
    return run_ranks(all_cases, timeout=240)


pytestmark = pytest.mark.timeout(300)


def planned(epoch: int) -> list[list[int]]:
    alone = sampler(rank=0, world_size=1)
    alone.set_epoch(epoch)
    return list(alone)


def in_turn(found: list[dict[str, Any]], case: str, epoch: int) -> list[list[int]]:
    """The batches of both ranks as they are dealt."""
    assert not isinstance(found[0][case], str), found[0][case]
    parts = [of_rank[case][epoch] for of_rank in found]
    assert len(parts[0]) - len(parts[1]) in (0, 1)
    return [part[number] for number in range(len(parts[0])) for part in parts if number < len(part)]


def test_the_last_round_has_a_batch_for_one_rank_only() -> None:
    """So that it can be seen what becomes of it."""
    assert len(planned(0)) % 2 == len(planned(1)) % 2 == 1


@pytest.mark.parametrize("case", EACH_ONCE)
def test_each_batch_comes_once_and_the_first_again_for_the_rank_that_lacks_one(found: Any, case: str) -> None:
    for epoch in range(EPOCHS):
        assert in_turn(found, case, epoch) == planned(epoch) + planned(epoch)[:1]


def test_ranks_of_accelerate_leave_out_the_same(found: Any) -> None:
    for epoch in range(EPOCHS):
        assert in_turn(found, "accelerate, drop", epoch) == planned(epoch)[:-1]


def test_ranks_of_accelerate_may_differ_by_a_batch(found: Any) -> None:
    for epoch in range(EPOCHS):
        assert in_turn(found, "accelerate, off", epoch) == planned(epoch)


@pytest.mark.parametrize("case", ["lightning, predict", "lightning, predict, ours"])
def test_predictions_of_lightning_are_made_once(found: Any, case: str) -> None:
    assert in_turn(found, case, 0) == planned(0)


def test_accelerate_goes_on_with_a_state(found: Any) -> None:
    assert in_turn(found, "accelerate, resumed", 0) == planned(1) + planned(1)[:1]
    assert in_turn(found, "accelerate, resumed", 1) == planned(1)[6:] + planned(1)[:1]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("accelerate, off, though it repeats", "DataLoaderConfiguration(even_batches=False)"),
        ("accelerate, split", "`split_batches==True`"),
        ("lightning, as it is", "`Trainer(use_distributed_sampler=False)`"),
        ("fabric, as it is", "use_distributed_sampler=False"),
        ("accelerate, dispatch", "DataLoaderConfiguration(dispatch_batches=False)"),
    ],
)
def test_what_would_break_batches_is_an_error_that_says_what_to_write(found: Any, case: str, message: str) -> None:
    """With dispatch_batches, Accelerate asks the first rank only; the other one is told by its end."""
    assert message in found[0][case]
    assert isinstance(found[1][case], str)
