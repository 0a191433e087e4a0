"""Release 1.4: objects by URL prefixes, by sources, or both."""

import os

from aistore.pytorch.dataset import AISDataset
from aistore.sdk import Client

ais_url = os.getenv("AIS_ENDPOINT", "http://localhost:8080")

dataset = AISDataset(client_url=ais_url, urls_list="ais://bucket1/")
for i in range(len(dataset)):
    print(dataset[i])

dataset = AISDataset(ais_url, ["ais://bucket2/train/", "ais://bucket1/file-1"])
print(len(dataset), [dataset[i][0] for i in range(len(dataset))])

# Release 1.4.0 had the ETL's name as third argument.
dataset = AISDataset(ais_url, "ais://bucket1/file-", None)
print(len(dataset), type(dataset[0][1]))

client = Client(ais_url)
dataset = AISDataset(
    client_url=ais_url, ais_source_list=[client.bucket(bck_name="bucket1"), client.bucket(bck_name="bucket2")]
)
print(len(dataset), dataset.client.cluster().is_ready(), dataset.etl_name)

try:
    AISDataset(client_url=ais_url)
except ValueError as error:
    print("ValueError", bool(str(error)))
