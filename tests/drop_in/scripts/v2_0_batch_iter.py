"""Release 2.0: many objects by one request."""

import os

from aistore.pytorch.batch_iter_dataset import AISBatchIterDataset
from aistore.sdk import Client
from aistore.sdk.enums import Colocation

ais_url = os.getenv("AIS_ENDPOINT", "http://localhost:8080")
client = Client(ais_url)
bucket = client.bucket("bucket1")

batch_dataset = AISBatchIterDataset(
    ais_source_list=bucket,
    client=client,
    max_batch_size=128,
    streaming=True,
    show_progress=False,
)
for sample in batch_dataset:
    print(sample)
print(batch_dataset.max_batch_size, batch_dataset.output_format, batch_dataset.colocation, len(batch_dataset))
print(list(AISBatchIterDataset([bucket], client, {bucket: "file-"}, max_batch_size=2, output_format=".tgz")))
print(list(AISBatchIterDataset(bucket, client, streaming=False, colocation=Colocation.TARGET_AWARE, cont_on_err=True)))
