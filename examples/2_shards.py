# %% [markdown]
# # Training on shards
#
# A shard is a TAR archive with many samples. Large training sets of small files are kept so: one object is read
# instead of a thousand. Here shards are written, looked into, and trained on.
#
# Nothing has to be prepared: an AIStore is started below. With the environment variable `AIS_ENDPOINT` set, it is
# your own cluster that is used instead. To install what is needed: `pip install 'aistorch[examples]' jupyter`.

# %%
import io
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import matplotlib.pyplot as plt
import numpy as np
import torch
from aistore.sdk import Client, DataShard
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn
from torch.utils.data import DataLoader

from aistorch import (
    AISDataLoader,
    AISIterDataset,
    AISMultiShardStream,
    AISShardMapDataset,
    AISShardReader,
    ShardWriter,
    ShuffleConfig,
)
from aistorch.demo.digits import digits, label_of, pixels_of
from aistorch.server import EmbeddedAIStore

torch.manual_seed(0)
torch.set_num_threads(1)  # more of them gain nothing on a small network

# Worker processes are forked, so that they know the functions of this file. macOS does not take that well: none there.
WORKERS = 2 if sys.platform == "linux" else 0
if WORKERS:
    torch.multiprocessing.set_start_method("fork", force=True)

server = EmbeddedAIStore()
endpoint = os.environ.get("AIS_ENDPOINT") or server.start().endpoint

bucket = Client(endpoint).bucket(f"notebook-{uuid.uuid4().hex[:8]}").create()
url = f"ais://{bucket.name}"

# %% [markdown]
# ## Writing shards
#
# `ShardWriter` takes samples and makes shards of them, straight in the bucket. A sample has a key, and files by their
# extension: here `png`, the image of a handwritten digit, and `cls`, its label. A new shard begins after 300 samples.
#
# Beside each shard the writer puts an index, `NAME.tar.idx`: which file stands where.

# %%
for part in ("train", "test"):
    with ShardWriter(bucket, prefix=f"digits/{part}", max_count=300) as writer:
        for digit in digits():
            if digit.name.startswith(f"digits/{part}/"):
                key = PurePosixPath(digit.name).stem
                writer.write(key, {"png": digit.content, "cls": label_of(digit.name)})
    for shard in writer.shards:
        print(f"{shard.name}: {shard.samples} samples, {shard.size / 1000:.0f} kB")

# %% [markdown]
# Files that lie in a folder or a bucket already need no script:
#
#     aistorch shard ./images ais://bucket/train --max-size 256MB --verify
#
# ## Reading shards
#
# `AISShardReader` streams them. A sample is its key and a dictionary of its files.

# %%
reader = AISShardReader(client_url=endpoint, urls_list=f"{url}/digits/train/")

key, files = next(iter(reader))
print(f"{len(reader)} samples; the first is {key}, with {len(files['png'])} bytes of png and the label {files['cls']}")

# %% [markdown]
# The first 32 samples, as they stand in the first shard:


# %%
def show_images(images, titles, columns=16, colors=None):
    rows = -(-len(images) // columns)
    figure = plt.figure(figsize=(columns * 0.6, rows * 0.8), dpi=80)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, (axis, image, title) in enumerate(zip(axes.flat, images, titles, strict=False)):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=8, color=colors[number] if colors else "black")
    plt.show()


first = [files for (_, files), _ in zip(reader, range(32), strict=False)]
show_images([pixels_of(files["png"]) for files in first], [files["cls"].decode() for files in first])

# %% [markdown]
# ## Shuffling
#
# A stream cannot be shuffled like a deck of cards. Instead, shards come in a random order, and samples are gathered
# in a buffer and leave it in a random order. `shuffle=True` gathers 1,000 samples.
#
# Each dot is a sample: to the right, when it came; upwards, where it is stored. The smaller the buffer, the more the
# order of the shards shows.

# %%
place = {key: number for number, (key, _) in enumerate(reader)}

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), dpi=80, sharey=True, layout="constrained")
for axis, shuffle in zip(axes, (False, ShuffleConfig(buffer=100), True), strict=True):
    shuffled = AISShardReader(client_url=endpoint, urls_list=f"{url}/digits/train/", shuffle=shuffle)
    axis.plot([place[key] for key, _ in shuffled], ".", markersize=1.5)
    axis.set(title=f"shuffle={shuffle}".replace(f", max_bytes={64 << 20}", ""), xlabel="comes as number")
axes[0].set_ylabel("stored as number")
plt.show()

# %% [markdown]
# ## Workers
#
# Workers share the samples: each comes once, whatever their number.


# %%
def keys_only(samples):
    return [key for key, _ in samples]


loader = AISDataLoader(reader, batch_size=64, num_workers=WORKERS, collate_fn=keys_only)
received = [key for keys in loader for key in keys]
print(f"{len(received)} samples received, {len(set(received))} different ones")

# %% [markdown]
# ## Training
#
# The `collate_fn` makes tensors of the files; it runs in the workers. `set_epoch` gives each epoch an order of its
# own.


# %%
def to_tensors(samples):
    images = torch.stack([torch.from_numpy(pixels_of(files["png"])) for _, files in samples])
    return images.unsqueeze(1), torch.tensor([int(files["cls"]) for _, files in samples])


def train(network, loader, epochs):
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    network.train()
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        for images, labels in loader:
            loss = nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@torch.no_grad()
def answers_of(network, loader):
    network.eval()
    batches = [(images, labels, network(images).argmax(1)) for images, labels in loader]
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


train_set = AISShardReader(client_url=endpoint, urls_list=f"{url}/digits/train/", shuffle=True)
test_set = AISShardReader(client_url=endpoint, urls_list=f"{url}/digits/test/")
train_loader = AISDataLoader(train_set, batch_size=64, num_workers=WORKERS, collate_fn=to_tensors)
test_loader = AISDataLoader(test_set, batch_size=64, collate_fn=to_tensors)

network = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64 * 2 * 2, 10),
)
digit_losses = train(network, train_loader, epochs=4)
_, labels, answers = answers_of(network, test_loader)
print(f"accuracy on digits: {100 * (answers == labels).float().mean().item():.1f}%")

# %% [markdown]
# ## Any sample by its number
#
# `AISShardMapDataset` knows from the indices where each sample lies, and reads only its bytes. So a shard can be used
# like any map-style dataset, with a length and a sampler.

# %%
by_number = AISShardMapDataset(client_url=endpoint, urls_list=f"{url}/digits/train/")
numbers = [0, 1, -1, 700, *range(100, 1300, 100)]
print(f"{len(by_number)} samples; number 700 is {by_number[700][0]}, number -1 is {by_number[-1][0]}")
show_images([pixels_of(by_number[number][1]["png"]) for number in numbers], numbers)

# %% [markdown]
# ## Why shards
#
# 500 of the images are stored once more, as one object each. How fast is either read, without decoding? Server and
# notebook share one machine here; `aistorch bench` measures a real cluster.


# %%
def put(digit):
    bucket.object(f"objects/{digit.name}").get_writer().put_content(digit.content)


with ThreadPoolExecutor(8) as threads:
    list(threads.map(put, digits()[:500]))

ways = {
    "objects: AISIterDataset": AISIterDataset(client_url=endpoint, urls_list=f"{url}/objects/"),
    "shards: AISShardReader": AISShardReader(client_url=endpoint, urls_list=f"{url}/digits/train/"),
}
rates = {}
for way, dataset in ways.items():
    count = sum(1 for _ in dataset)  # once before, to list and to open connections
    start = time.perf_counter()
    count = sum(1 for _ in dataset)
    rates[way] = count / (time.perf_counter() - start)

figure, axis = plt.subplots(figsize=(7, 1.8), dpi=80, layout="constrained")
axis.barh(list(rates), list(rates.values()))
axis.invert_yaxis()
axis.set_xlabel("samples a second")
plt.show()

# %% [markdown]
# ## Images here, labels there
#
# Sometimes the parts of a sample lie in shards of their own: images in one row of shards, labels in another. The
# second data set is made so. scikit-learn ships two photographs, and each is cut into patches of 32 x 32 pixels. The
# task: which photograph is a patch from?

# %%
names = ("temple", "flower")
photographs = load_sample_images().images

figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), dpi=45, layout="constrained")
for axis, photograph, name in zip(axes, photographs, names, strict=True):
    axis.imshow(photograph)
    axis.set_title(f"{name}: {photograph.shape[1]} x {photograph.shape[0]} pixels")
    axis.axis("off")
plt.show()

# %% [markdown]
# Images and labels go into shards of different sizes. That does not matter: file number i of one row belongs to file
# number i of the other. Every fourth patch is kept for the test.


# %%
def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


patches = [
    (photograph[top : top + 32, left : left + 32], label)
    for top in range(0, 427 - 31, 32)
    for left in range(0, 640, 32)
    for label, photograph in enumerate(photographs)
]
for part in ("train", "test"):
    chosen = [patch for number, patch in enumerate(patches) if (number // 2 % 4 == 0) == (part == "test")]
    with (
        ShardWriter(bucket, prefix=f"photographs/{part}/images", max_count=100) as images,
        ShardWriter(bucket, prefix=f"photographs/{part}/labels", max_count=250) as labels,
    ):
        for number, (pixels, label) in enumerate(chosen):
            images.write(f"{number:04}", {"png": png(pixels)})
            labels.write(f"{number:04}", {"cls": label})
    print(f"{part}: {len(chosen)} patches, {len(images.shards)} shards of images, {len(labels.shards)} of labels")

# %% [markdown]
# `AISMultiShardStream` reads the rows side by side. A `DataShard` of the SDK names a row, and a sample is a tuple
# with one content of each.


# %%
def side_by_side(part, **options):
    rows = [DataShard(endpoint, bucket.name, prefix=f"photographs/{part}/{row}/") for row in ("images", "labels")]
    return AISMultiShardStream(rows, **options)


def patches_to_tensors(samples):
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(image))) for image, _ in samples])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255, torch.tensor([int(label) for _, label in samples])


train_loader = AISDataLoader(
    side_by_side("train", shuffle=True), batch_size=32, num_workers=WORKERS, collate_fn=patches_to_tensors
)
test_loader = DataLoader(side_by_side("test"), batch_size=32, collate_fn=patches_to_tensors)

images, labels = next(iter(train_loader))
print("images:", tuple(images.shape), "labels:", labels[:8].tolist(), "...")
show_images(images[:16].permute(0, 2, 3, 1), [names[label] for label in labels[:16].tolist()])

# %% [markdown]
# A small network of its own for colours, and the same training as above:

# %%
network = nn.Sequential(
    nn.Conv2d(3, 16, 5, stride=2),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 4, 2),
)
patch_losses = train(network, train_loader, epochs=8)
images, labels, answers = answers_of(network, test_loader)
print(f"accuracy on patches: {100 * (answers == labels).float().mean().item():.1f}%")

# %% [markdown]
# Both losses, batch by batch:

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), dpi=80, layout="constrained")
for axis, losses, title in zip(axes, (digit_losses, patch_losses), ("digits", "patches"), strict=True):
    axis.plot(losses, linewidth=1)
    axis.set(title=title, xlabel="batch", ylabel="loss", ylim=0)
plt.show()

# %% [markdown]
# Some patches of the test, with what the network takes them for. What is wrong is red and comes first.

# %%
wrong = (answers != labels).nonzero()[:, 0]
chosen = torch.cat([wrong, torch.arange(0, len(labels), 7)])[:16]
colors = ["green" if right else "red" for right in (answers == labels)[chosen].tolist()]
show_images(images[chosen].permute(0, 2, 3, 1), [names[answer] for answer in answers[chosen].tolist()], colors=colors)

# %% [markdown]
# ## The end
#
# The bucket goes, and the embedded server with it.

# %%
bucket.delete()
server.stop()
