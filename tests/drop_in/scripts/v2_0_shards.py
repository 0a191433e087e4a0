"""Release 2.0: samples in shards, and rows of shards."""

import io
import os
import tarfile

from aistore.pytorch import AISMultiShardStream, AISShardReader
from aistore.sdk import Client, DataShard
from torch.utils.data import DataLoader

ais_url = os.getenv("AIS_ENDPOINT", "http://localhost:8080")
client = Client(ais_url)
bucket = client.bucket("dataset-example").create(exist_ok=True)


def put_shard(name, files):
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for file, content in files.items():
                info = tarfile.TarInfo(file)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        bucket.object(name).get_writer().put_content(buffer.getvalue())


for shard in range(3):
    files = {}
    for i in range(4):
        files[f"sample_{shard}{i}.cls"] = b"%d" % i
        files[f"sample_{shard}{i}.jpg"] = b"picture %d of shard %d" % (i, shard)
    put_shard(f"train-{shard}.tar", files)
put_shard("images.tar", {f"{i}.jpg": b"image %d" % i for i in range(5)})
put_shard("labels.tar", {f"{i}.cls": b"%d" % i for i in range(5)})

shard_reader = AISShardReader(bucket_list=bucket, prefix_map={bucket: "train-"})
for basename, content_dict in shard_reader:
    print(basename, sorted(content_dict.items()), type(content_dict).__name__)
print(isinstance(content_dict, AISShardReader.ZeroDict), isinstance(content_dict, dict))
for basenames, content_dicts in DataLoader(shard_reader, batch_size=4, num_workers=2):
    print(basenames, sorted(content_dicts.items()))

images = DataShard(client_url=ais_url, bucket_name="dataset-example", prefix="images.tar")
labels = DataShard(client_url=ais_url, bucket_name="dataset-example", prefix="labels.tar")
for image, label in AISMultiShardStream(data_sources=[images, labels]):
    print(image, label)
