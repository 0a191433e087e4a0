"""Training and evaluation: plain PyTorch, with nothing in it about where the data comes from."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from aistorch.demo.dataset import Batch

_LEARNING_RATE = 5e-3


def train(network: nn.Module, loader: DataLoader[Batch], epochs: int) -> int:
    """Trains the network and shows how far it is.

    Returns:
        The number of samples it was trained on, those of every epoch counted.
    """
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=epochs * len(loader))
    network.train()
    samples = 0
    with tqdm(desc="training", total=epochs * len(loader), unit=" batches", mininterval=0.5) as bar:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"training, epoch {epoch} of {epochs}")
            for images, labels in loader:
                loss = nn.functional.cross_entropy(network(images), labels)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                samples += len(labels)
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
                bar.update()
    return samples


@torch.no_grad()
def accuracy(network: nn.Module, loader: DataLoader[Batch]) -> float:
    """The part of the loader's images that the network names correctly, from 0 to 1."""
    network.eval()
    right = total = 0
    for images, labels in tqdm(loader, "testing", unit=" batches", mininterval=0.5):
        right += int((network(images).argmax(1) == labels).sum())
        total += len(labels)
    return right / total
