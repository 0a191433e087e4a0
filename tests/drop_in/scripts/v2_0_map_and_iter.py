"""Release 2.0: map-style and iterable datasets over sources of the SDK, and DataLoaders."""

import os

import torch
from aistore.pytorch import AISIterDataset, AISMapDataset
from aistore.sdk import Client

ais_url = os.getenv("AIS_ENDPOINT", "http://localhost:8080")
client = Client(ais_url)

dataset = AISMapDataset(ais_source_list=[client.bucket(bck_name="bucket1"), client.bucket(bck_name="bucket2")])
for i in range(len(dataset)):
    print(dataset[i])
print(dataset[-1][0], [obj.name for obj in dataset.get_obj_list()], dataset.__getitems__([1, 0]))

bucket = client.bucket("my-bck").create(exist_ok=True)
object_names = [f"example_obj_{i}" for i in range(10)]
for name in object_names:
    bucket.object(name).get_writer().put_content("object content".encode("utf-8"))
my_objects = bucket.objects(obj_names=object_names)
dataset = AISIterDataset(ais_source_list=my_objects)
for data_sample in dataset:
    print(data_sample)
print(len(dataset))

bucket1, bucket2 = client.bucket("bucket1"), client.bucket("bucket2")
prefix_map = {bucket1: ["file-1", "file-0"], bucket2: "train/"}
print(list(AISIterDataset([bucket2, bucket1], prefix_map)))
print(len(AISIterDataset([bucket2, bucket1], prefix_map)))

train_loader = torch.utils.data.DataLoader(
    AISMapDataset(ais_source_list=[bucket1, bucket2]), batch_size=4, shuffle=False, num_workers=2
)
for names, contents in train_loader:
    print(names, contents)
for partition in (False, True):
    dataset = AISIterDataset([bucket1, bucket2], partition_sources_by_worker=partition)
    for names, contents in torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=2):
        print(names, contents)
