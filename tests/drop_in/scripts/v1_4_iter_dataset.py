"""Release 1.4: objects as a stream, of a prefix and a group."""

import os

from aistore.pytorch.dataset import AISIterDataset
from aistore.sdk import Client

ais_url = os.getenv("AIS_ENDPOINT", "http://localhost:8080")
client = Client(ais_url)
bucket = client.bucket("my-bck").create(exist_ok=True)

object_names = [f"example_obj_{i}" for i in range(10)]
for name in object_names:
    bucket.object(name).put_content("object content".encode("utf-8"))

my_objects = bucket.objects(obj_names=object_names)

dataset = AISIterDataset(client_url=ais_url, urls_list="ais://my-bck/", ais_source_list=my_objects)

for data_sample in dataset:
    print(data_sample)
print(len(dataset))
print(bucket.object("example_obj_3").get().read_all())
