# %% [markdown]
# # From a bucket to a trained model
#
# Images lie in a bucket of AIStore, one object each. Here PyTorch reads them from there and trains a small network.
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

import matplotlib.pyplot as plt
import torch
from aistore.sdk import Client
from PIL import Image, ImageOps
from torch import nn
from torch.utils.data import DataLoader

from aistorch import AISDataLoader, AISIterDataset, AISMapDataset
from aistorch.demo.digits import digits, label_of, pixels_of
from aistorch.server import EmbeddedAIStore

torch.manual_seed(0)
torch.set_num_threads(1)  # more of them gain nothing on a small network

# Worker processes are forked, so that they know the functions of this file. macOS does not take that well: none there.
WORKERS = 2 if sys.platform == "linux" else 0
if WORKERS:
    torch.multiprocessing.set_start_method("fork", force=True)

# %% [markdown]
# ## A bucket with images
#
# The embedded AIStore is a process of its own. It listens on this machine only and keeps its data in a temporary
# folder. The SDK, `aistore.sdk`, talks to it as to any cluster.

# %%
server = EmbeddedAIStore()
endpoint = os.environ.get("AIS_ENDPOINT") or server.start().endpoint

bucket = Client(endpoint).bucket(f"notebook-{uuid.uuid4().hex[:8]}").create()
url = f"ais://{bucket.name}"

# %% [markdown]
# scikit-learn ships 1,797 handwritten digits of 8 x 8 pixels. Each is stored as a PNG file. Its label is the folder
# that it lies in, and a fifth of the images is kept apart for the test.


# %%
def put(digit):
    bucket.object(digit.name).get_writer().put_content(digit.content)


with ThreadPoolExecutor(8) as threads:
    list(threads.map(put, digits()))

for part in ("train", "test"):
    entries = bucket.list_all_objects(prefix=f"digits/{part}/")
    print(f"{part}: {len(entries)} objects, such as {entries[0].name} with {entries[0].size} bytes")

# %% [markdown]
# ## A map-style dataset
#
# `AISMapDataset` lists the bucket once. After that, `dataset[i]` is the name and the content of object `i`.

# %%
train_set = AISMapDataset(client_url=endpoint, urls_list=f"{url}/digits/train/")
test_set = AISMapDataset(client_url=endpoint, urls_list=f"{url}/digits/test/")

name, content = train_set[0]
print(f"{len(train_set)} objects; number 0 is {name}, which begins with {content[:4]}")

# %% [markdown]
# Every 45th object, decoded:


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


some = [train_set[i] for i in range(0, len(train_set), 45)]
show_images([pixels_of(content) for _, content in some], [label_of(name) for name, _ in some])

# %% [markdown]
# ## Batches
#
# PyTorch's `DataLoader` asks the dataset for a whole batch at once, and the objects of a batch are read at the same
# time. The `collate_fn` makes tensors of names and contents; it runs in the workers.


# %%
def to_tensors(samples):
    images = torch.stack([torch.from_numpy(pixels_of(content)) for _, content in samples])
    return images.unsqueeze(1), torch.tensor([label_of(name) for name, _ in samples])


train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=WORKERS, collate_fn=to_tensors)
test_loader = DataLoader(test_set, batch_size=64, collate_fn=to_tensors)

images, labels = next(iter(train_loader))
print("images:", tuple(images.shape), images.dtype)
print("labels:", labels[:16].tolist(), "...")

# %% [markdown]
# ## Training
#
# Plain PyTorch: nothing here knows where the images come from. The network has two small convolutions.


# %%
def train(network, loader, epochs):
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    network.train()
    for epoch in range(epochs):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses[-len(loader) :]) / len(loader):.3f}")
    return losses


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
losses = train(network, train_loader, epochs=4)

# %% [markdown]
# The loss, batch by batch:

# %%
figure, axis = plt.subplots(figsize=(7, 2.6), dpi=80, layout="constrained")
axis.plot(losses, linewidth=1)
axis.set(xlabel="batch", ylabel="loss", ylim=0)
plt.show()

# %% [markdown]
# ## How good it is
#
# Which part of the images that it has never seen does it name correctly?

# %%
network.eval()
with torch.no_grad():
    batches = [(images, labels, network(images).argmax(1)) for images, labels in test_loader]
images, labels, answers = (torch.cat(parts) for parts in zip(*batches, strict=True))
print(f"accuracy: {100 * (answers == labels).float().mean().item():.1f}%")

# %% [markdown]
# Some test images, with what the network takes them for. What is wrong is red and comes first.

# %%
wrong = (answers != labels).nonzero()[:, 0]
chosen = torch.cat([wrong, torch.arange(0, len(labels), 12)])[:32]
colors = ["green" if right else "red" for right in (answers == labels)[chosen].tolist()]
show_images(images[chosen, 0], answers[chosen].tolist(), colors=colors)

# %% [markdown]
# ## An iterable dataset, and a place to go on from
#
# `AISIterDataset` yields all objects, one after another, and reads ahead. With `shuffle=True` the order is another
# one each epoch. Workers share the objects, so each comes once.
#
# `AISDataLoader` takes the same arguments as `DataLoader` and can save where it is. Below, it stops after ten
# batches. A new loader with that state gives the rest, and nothing twice.


# %%
def names_only(samples):
    return [name for name, _ in samples]


def new_loader():
    dataset = AISIterDataset(client_url=endpoint, urls_list=f"{url}/digits/train/", shuffle=True, seed=7)
    return AISDataLoader(dataset, batch_size=64, num_workers=WORKERS, collate_fn=names_only)


loader = new_loader()
before = []
for names in loader:
    before += names
    if len(before) == 10 * 64:
        break
state = loader.state_dict()

loader = new_loader()
loader.load_state_dict(state)
after = [name for names in loader for name in names]

print(f"{len(before)} samples, then {len(after)}; {len({*before, *after})} different ones of {len(train_set)}")

# %% [markdown]
# ## How fast
#
# Three ways to read images, without decoding them: the SDK alone, one object after another (300 objects), and the two
# datasets in batches of 64 (the whole training set). Server and notebook share one machine here, and an image has
# less than 200 bytes: the bars tell of the cost of a request, not of a network. `aistorch bench` measures a real
# cluster.


# %%
def with_sdk_alone():
    for name in train_set.index[:300].names():
        bucket.object(name).get_reader().read_all()
    return 300


def with_map_dataset():
    loader = DataLoader(train_set, batch_size=64, shuffle=True, collate_fn=names_only)
    return sum(len(names) for names in loader)


def with_iter_dataset():
    loader = DataLoader(iter_set, batch_size=64, collate_fn=names_only)
    return sum(len(names) for names in loader)


iter_set = AISIterDataset(client_url=endpoint, urls_list=f"{url}/digits/train/")
ways = {"SDK, one by one": with_sdk_alone, "AISMapDataset": with_map_dataset, "AISIterDataset": with_iter_dataset}
rates = {}
for way, read in ways.items():
    read()  # once before, to open connections
    start = time.perf_counter()
    rates[way] = read() / (time.perf_counter() - start)

figure, axis = plt.subplots(figsize=(7, 2.2), dpi=80, layout="constrained")
axis.barh(list(rates), list(rates.values()))
axis.invert_yaxis()
axis.set_xlabel("objects a second")
plt.show()

# %% [markdown]
# ## ETL: the server transforms
#
# An ETL is code that runs beside the data and makes another content of each object that is read. On a cluster an
# administrator installs it. The embedded AIStore takes functions from bytes to bytes, and runs them in processes of
# their own. A dataset names the one it wants by `etl_name=`; nothing else changes.


# %%
def ink_on_paper(content):
    """Turns black and white, and makes the image twice as large."""
    image = Image.open(io.BytesIO(content))
    file = io.BytesIO()
    ImageOps.invert(image).resize((16, 16), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


with EmbeddedAIStore(etls={"ink-on-paper": ink_on_paper}) as etl_server:
    small = etl_server.client().bucket("digits").create()
    for name, content in some[:16]:
        small.object(name).get_writer().put_content(content)
    stored = AISMapDataset(small)
    transformed = AISMapDataset(small, etl_name="ink-on-paper")
    pictures = [pixels_of(content) for dataset in (stored, transformed) for _, content in dataset]

print(f"stored: {pictures[0].shape} pixels; as the dataset gets them: {pictures[-1].shape} pixels")
show_images(pictures, ["stored"] + [""] * 15 + ["read"] + [""] * 15)

# %% [markdown]
# ## The end
#
# The bucket goes, and the embedded server with it. Next: `2_shards`, many small files in few large objects, and
# `3_datapipes`.

# %%
bucket.delete()
server.stop()
