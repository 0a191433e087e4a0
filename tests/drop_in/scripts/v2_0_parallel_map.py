"""Release 2.0: large objects in parallel ranges."""

import os

from aistore.pytorch import AISParallelMapDataset
from aistore.sdk import Client
from torch.utils.data import DataLoader

bucket = Client(os.environ["AIS_ENDPOINT"]).bucket("bucket1")


def closing(batch):
    samples = []
    for name, buffer in batch:
        with buffer:
            samples.append((name, bytes(buffer.buf), buffer.tobytes(), len(buffer)))
    return samples


dataset = AISParallelMapDataset(bucket, num_workers=2)
print(len(dataset), dataset.num_workers)
for samples in DataLoader(dataset, batch_size=2, collate_fn=closing):
    print(samples)
try:
    dataset[len(dataset)]
except IndexError:
    print("IndexError")
