"""The whole job: store the images, train on them, test."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from aistorch.demo.bucket import new_bucket, store
from aistorch.demo.dataset import test_loader, train_loader
from aistorch.demo.digits import digits
from aistorch.demo.model import digit_network
from aistorch.demo.training import accuracy, train

EPOCHS, WORKERS = 10, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        samples: Images trained on, those of every epoch counted.
        samples_per_second: Images read, decoded and trained on in a second, start of the workers included.
        accuracy: The part of the held-out images that was recognised, from 0 to 1.
    """

    samples: int
    samples_per_second: float
    accuracy: float


def run(endpoint: str, epochs: int = EPOCHS, workers: int = WORKERS) -> Outcome:
    """Stores, trains and tests at an endpoint, in a bucket that is gone afterwards; shows progress on stderr."""
    torch.manual_seed(0)
    # Several threads gain nothing on so small a network, and cost much where the workers want the same cores.
    torch.set_num_threads(1)
    network = digit_network()
    with new_bucket(endpoint) as bucket:
        store(digits(), bucket)
        url = f"ais://{bucket.name}"
        start = time.perf_counter()
        samples = train(network, train_loader(endpoint, url, workers), epochs)
        seconds = time.perf_counter() - start
        part = accuracy(network, test_loader(endpoint, url, workers))
    return Outcome(samples, samples / seconds, part)
