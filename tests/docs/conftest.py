"""The server that the documentation's code runs against, and the buckets that it takes for granted."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from aistore.sdk import Bucket
from PIL import Image

from aistorch import ShardWriter
from aistorch.server import EmbeddedAIStore
from tests.support.objects import put_all

MIB = 1 << 20
CLASSES = ("cat", "dog", "owl", "yak")


def picture(number: int) -> bytes:
    """A small JPEG."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (7 * number % 256, 50, 90)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture(scope="session")
def documented_server() -> Iterator[EmbeddedAIStore]:
    """An embedded AIStore with `ais://photos`, `ais://shards`, `ais://pairs` and `ais://clips`."""
    with EmbeddedAIStore(buckets=["ais://photos", "ais://shards", "ais://pairs", "ais://clips"]) as server:
        client = server.client()
        _photos(client.bucket("photos"))
        _shards(client.bucket("shards"))
        _pairs(client.bucket("pairs"))
        put_all(client.bucket("clips"), {f"{number}.mp4": bytes([number]) * 9 * MIB for number in range(2)})
        yield server


def _photos(bucket: Bucket) -> None:
    """`train/cat/000.jpg` to `train/yak/023.jpg`, and 8 of `test/`."""
    pictures = {f"{part}/{CLASSES[i % 4]}/{i:03}.jpg": i for part, n in (("train", 96), ("test", 8)) for i in range(n)}
    put_all(bucket, {name: picture(number) for name, number in pictures.items()})


def _shards(bucket: Bucket) -> None:
    """`train/shard-000000.tar` and so on: 96 samples of jpg and cls, 24 a shard, with an index each."""
    with ShardWriter(bucket, prefix="train", max_count=24) as writer:
        for number in range(96):
            writer.write(f"{number:03}", {"jpg": picture(number), "cls": number % 4})


def _pairs(bucket: Bucket) -> None:
    """`images/...tar` and `labels/...tar`: 20 files each, in the same order, without an index."""
    for prefix, extension in (("images", "jpg"), ("labels", "txt")):
        with ShardWriter(bucket, prefix=prefix, max_count=10, index=False) as writer:
            for number in range(20):
                content = picture(number) if extension == "jpg" else str(number % 4).encode()
                writer.write(f"{number:03}", {extension: content})
