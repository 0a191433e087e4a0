"""Release 2.0: batches by their bytes."""

import os

from aistore.pytorch import AISMapDataset, DynamicBatchSampler
from aistore.sdk import Client
from torch.utils.data import DataLoader

dataset = AISMapDataset(Client(os.environ["AIS_ENDPOINT"]).bucket("bucket1"))
for limit in (4, 20, 60, 1000):
    sampler = DynamicBatchSampler(data_source=dataset, max_batch_size=limit, allow_oversized_samples=True)
    print(limit, list(sampler))
    for names, contents in DataLoader(dataset=dataset, batch_sampler=sampler, num_workers=2):
        print(names, contents)
print(list(DynamicBatchSampler(dataset, 30, drop_last=True)), list(DynamicBatchSampler(dataset, 8)))
shuffled = DynamicBatchSampler(dataset, 40, shuffle=True)
print(sorted(index for batch in shuffled for index in batch))
try:
    DynamicBatchSampler(dataset, 40, saturation_factor=2)
except ValueError:
    print("ValueError")
