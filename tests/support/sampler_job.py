"""Two ranks in loops of other frameworks: what each is given of a `DynamicBatchSampler`, as JSON.

Run by `python -m torch.distributed.run`; arguments: the case, the folder for what is found.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.utils.data import DataLoader

from aistorch import DynamicBatchSampler

COSTS = [1 + 7 * number % 10 for number in range(101)]
DATA = torch.arange(101)
EPOCHS = 2
LIMIT = 240

Found = list[list[list[int]]]


def sampler(**options: Any) -> DynamicBatchSampler:
    return DynamicBatchSampler(COSTS, 24, shuffle=True, buckets=3, cost=COSTS, **options)


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(DATA, batch_sampler=sampler(**options))  # type: ignore[arg-type]


def plain() -> Found:
    batches = loader()
    return [[batch.tolist() for batch in batches] for _ in range(EPOCHS)]


def accelerator(**options: Any) -> Any:
    from accelerate import Accelerator, DataLoaderConfiguration

    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**options))


def accelerate(even: str, skip_first: bool = False, **options: Any) -> Found:
    from accelerate import skip_first_batches

    batches = loader(even=even)
    if skip_first:
        batches = skip_first_batches(batches, 0)
    prepared = accelerator(**options).prepare(batches)
    found = [[batch.tolist() for batch in prepared] for _ in range(EPOCHS)]
    assert all(len(batches) == len(prepared) for batches in found)
    return found


def accelerate_resumed() -> Found:
    """The second epoch, and the rest of it after three batches of each rank."""
    prepared = accelerator().prepare(loader())
    list(prepared)
    whole = [batch.tolist() for batch in prepared]
    state = prepared.batch_sampler.batch_sampler.state_after(3)
    again = sampler()
    again.load_state_dict(state)
    resumed = accelerator().prepare(DataLoader(DATA, batch_sampler=again))  # type: ignore[arg-type]
    resumed.set_epoch(again.epoch)
    return [whole, [batch.tolist() for batch in resumed]]


def lightning(even: str = "pad", predict: bool = False, **options: Any) -> Found:
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
        trainer.predict(model, loader(even=even), return_predictions=False)
    else:
        trainer.fit(model, loader(even=even))
    return model.found


def fabric(**options: Any) -> Found:
    from lightning.fabric import Fabric

    run = Fabric(accelerator="cpu", strategy="ddp", devices=2)
    run.launch()
    batches: Any = run.setup_dataloaders(loader(), **options)
    return [[batch.tolist() for batch in batches] for _ in range(EPOCHS)]


CASES: dict[str, Callable[[], Found]] = {
    "plain": plain,
    "accelerate pad": lambda: accelerate("pad"),
    "accelerate drop": lambda: accelerate("drop"),
    "accelerate off": lambda: accelerate("off", even_batches=False),
    "accelerate off, though it repeats": lambda: accelerate("off"),
    "accelerate after skip_first_batches": lambda: accelerate("pad", skip_first=True),
    "accelerate split": lambda: accelerate("pad", split_batches=True),
    "accelerate resumed": accelerate_resumed,
    "lightning": lambda: lightning(use_distributed_sampler=False),
    "lightning predict": lambda: lightning("off", predict=True),
    "lightning, as it is": lightning,
    "fabric": lambda: fabric(use_distributed_sampler=False),
    "fabric, as it is": fabric,
    # The last one: it leaves the ranks at different places.
    "accelerate dispatch": lambda: accelerate("pad", dispatch_batches=True),
}


def main(cases: str, folder: Path, rank: int) -> None:
    faulthandler.dump_traceback_later(LIMIT, exit=True)  # no process outlives a job that hangs
    distributed.init_process_group("gloo")  # of which all frameworks make use
    found: dict[str, Any] = {}
    for case in cases.split("/"):
        try:
            found[case] = CASES[case]()
        except Exception as error:
            found[case] = f"{type(error).__name__}: {error}"
    (folder / f"{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(os.environ["RANK"]))
