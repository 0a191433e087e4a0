"""From a bucket to batches of tensors: the part that is about AIStore.

The dataset yields `(name, content)`. Decoding and augmentation are a `collate_fn`, so they run in the DataLoader's
workers, and the dataset stays free to read a whole batch at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.utils.data import DataLoader

from aistorch import AISMapDataset
from aistorch.demo.digits import TEST_PREFIX, TRAIN_PREFIX, label_of, pixels_of

Batch = tuple[torch.Tensor, torch.Tensor]
_BATCH_SIZE = 64


def train_loader(endpoint: str, bucket_url: str, workers: int) -> DataLoader[Batch]:
    """Batches to learn from, in a new order every epoch."""
    dataset = AISMapDataset(client_url=endpoint, urls_list=f"{bucket_url}/{TRAIN_PREFIX}")
    return DataLoader(
        dataset,
        batch_size=_BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=augmented_batch,
    )


def test_loader(endpoint: str, bucket_url: str, workers: int) -> DataLoader[Batch]:
    """Batches of what was held out."""
    dataset = AISMapDataset(client_url=endpoint, urls_list=f"{bucket_url}/{TEST_PREFIX}")
    return DataLoader(dataset, batch_size=_BATCH_SIZE, num_workers=workers, collate_fn=plain_batch)


def plain_batch(samples: Sequence[tuple[str, bytes]]) -> Batch:
    """Images of shape (n, 1, 8, 8) and their labels."""
    return _batch(samples, lambda image: image)


def augmented_batch(samples: Sequence[tuple[str, bytes]]) -> Batch:
    """The same, with each image moved by up to one pixel."""
    return _batch(samples, _moved)


def _batch(samples: Sequence[tuple[str, bytes]], transform: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    images = [transform(torch.from_numpy(pixels_of(content))) for _, content in samples]
    labels = [label_of(name) for name, _ in samples]
    return torch.stack(images).unsqueeze(1), torch.tensor(labels)


def _moved(image: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.randint(-1, 2, (2,)).tolist()
    return image.roll((rows, columns), (0, 1))
