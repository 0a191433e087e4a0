"""Training that is killed and goes on where it stopped, as if nothing had happened.

    python examples/resume.py                   # trains on an AIStore of its own, and draws the loss
    python examples/resume.py --stop-after 30   # is killed by the operating system after 30 batches ...
    python examples/resume.py                   # ... and goes on

Each run keeps its checkpoint in a folder (`--folder`) and ends with `losses.json` and `loss.png` there. On a CPU the
losses of a run that was killed, however often, are those of one that never was, bit for bit: delete the folder and
compare.

Needs the extras demo and bench: pip install 'aistorch[demo,bench]'
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aistorch import AISDataLoader, AISIterDataset
from aistorch.demo.bucket import new_bucket, store
from aistorch.demo.dataset import plain_batch
from aistorch.demo.digits import digits
from aistorch.demo.model import digit_network
from aistorch.server import EmbeddedAIStore

EPOCHS, BATCH_SIZE, CHECKPOINT_EVERY = 3, 32, 5


class Training:
    """Model, optimizer and loader, and what has come of them: all that a checkpoint holds."""

    def __init__(self, endpoint: str, bucket: str, workers: int) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.network = digit_network()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 2e-3)
        dataset = AISIterDataset(client_url=endpoint, urls_list=f"ais://{bucket}", shuffle=True, seed=0)
        # A generator of its own: making workers draws from it, and a run that goes on makes them once more.
        self.loader = AISDataLoader(
            dataset, BATCH_SIZE, num_workers=workers, collate_fn=plain_batch, generator=torch.Generator()
        )
        self.epoch, self.losses, self.resumed_at = 0, list[float](), list[int]()

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(self.network(images), labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.losses.append(loss.item())

    def save(self, path: Path) -> None:
        """Writes a checkpoint that is there as a whole or not at all, whenever the process is killed."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "loader": self.loader.state_dict(),
            "random": torch.get_rng_state(),  # of the dropout
            "epoch": self.epoch,
            "losses": self.losses,
            "resumed_at": self.resumed_at,
        }
        written = path.with_suffix(".new")
        torch.save(state, written)
        written.replace(path)

    def load(self, path: Path) -> None:
        state: dict[str, Any] = torch.load(path)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.loader.load_state_dict(state["loader"])
        torch.set_rng_state(state["random"])
        self.epoch, self.losses = state["epoch"], state["losses"]
        self.resumed_at = [*state["resumed_at"], len(self.losses)]


def train(training: Training, checkpoint: Path, epochs: int, stop_after: int | None) -> None:
    """Trains to the end, or until the process is killed."""
    for epoch in range(training.epoch, epochs):
        training.epoch = epoch
        training.loader.set_epoch(epoch)
        for images, labels in training.loader:
            training.step(images, labels)
            if len(training.losses) == stop_after:
                os.kill(os.getpid(), signal.SIGKILL)
            if len(training.losses) % CHECKPOINT_EVERY == 0:
                training.save(checkpoint)
    training.save(checkpoint)


def draw(losses: list[float], resumed_at: list[int], path: Path) -> None:
    """The loss curve, with a line at each place where training went on."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="batch", ylabel="loss", title="Loss; dotted: went on from a checkpoint")
    axes.plot(losses)
    for place in resumed_at:
        axes.axvline(place, linestyle=":", color="gray")
    figure.savefig(path)


@contextmanager
def server(endpoint: str | None) -> Iterator[str]:
    """The AIStore that is named, or one of its own."""
    if endpoint:
        yield endpoint
        return
    with EmbeddedAIStore() as own:
        yield own.endpoint


def main() -> None:
    parser = argparse.ArgumentParser(description="Training that is killed and goes on")
    parser.add_argument("--endpoint", default=os.environ.get("AIS_ENDPOINT"), help="an AIStore; without it, its own")
    parser.add_argument("--folder", type=Path, default=Path("resume-example"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--digits", type=int, default=1000, help="how many images")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stop-after", type=int, help="be killed after so many batches")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    checkpoint: Path = options.folder / "checkpoint.pt"
    with server(options.endpoint) as endpoint, new_bucket(endpoint) as bucket:
        store(digits()[: options.digits], bucket)
        training = Training(endpoint, bucket.name, options.workers)
        if checkpoint.exists():
            training.load(checkpoint)
            print(f"going on after {len(training.losses)} batches, in epoch {training.epoch}")
        train(training, checkpoint, options.epochs, options.stop_after)
    (options.folder / "losses.json").write_text(json.dumps(training.losses))
    draw(training.losses, training.resumed_at, options.folder / "loss.png")
    print(f"{len(training.losses)} batches, the last loss is {training.losses[-1]:.4f}: see {options.folder}")


if __name__ == "__main__":
    main()
