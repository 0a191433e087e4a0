# %% [markdown]
# # Training with DataPipes
#
# A DataPipe is an iterable step, and steps are put behind one another: list, filter, shuffle, load, decode. PyTorch
# has the steps in general, `aistorch` has two for AIStore: one lists a bucket, one loads objects.
#
# For new code `AISIterDataset` does the same with less (see `1_bucket_to_model`). Where there are DataPipes already,
# they go on working.
#
# Nothing has to be prepared: an AIStore is started below. With the environment variable `AIS_ENDPOINT` set, it is
# your own cluster that is used instead. To install what is needed: `pip install 'aistorch[examples]' jupyter`.

# %%
import os
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import matplotlib.pyplot as plt
import torch
from aistore.sdk import Client
from torch import nn
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data.datapipes.iter import IterableWrapper

from aistorch import AISFileLister, AISFileLoader
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
# scikit-learn ships handwritten digits of 8 x 8 pixels. Every second one, 899 in all, is stored as a PNG file. Its
# label is the folder that it lies in, and a fifth is kept apart for the test.

# %%
server = EmbeddedAIStore()
endpoint = os.environ.get("AIS_ENDPOINT") or server.start().endpoint

bucket = Client(endpoint).bucket(f"notebook-{uuid.uuid4().hex[:8]}").create()
url = f"ais://{bucket.name}"


def put(digit):
    bucket.object(digit.name).get_writer().put_content(digit.content)


with ThreadPoolExecutor(8) as threads:
    list(threads.map(put, digits()[::2]))

# %% [markdown]
# ## List
#
# `AISFileLister` takes URL prefixes and yields the URLs of the objects under them, while it lists. It has no length:
# nobody knows beforehand how many there will be.

# %%
urls = AISFileLister([f"{url}/digits/train/"], url=endpoint)

for object_url in islice(urls, 3):
    print(object_url.replace(bucket.name, "BUCKET"))

# %% [markdown]
# ## Filter
#
# Some digits are taken for one another: 3, 5, 8 and 9. Only those are wanted here. What is left out is never loaded.

# %%
WANTED = (3, 5, 8, 9)


def is_wanted(object_url):
    return label_of(object_url) in WANTED


wanted = urls.filter(is_wanted)
print(f"{sum(1 for _ in urls)} URLs, {sum(1 for _ in wanted)} of them wanted")

# %% [markdown]
# ## Shuffle
#
# A listing is sorted by name, so all threes come first. `shuffle` mixes URLs, which takes little memory: the buffer
# can hold all of them. Each column below is one object, and its colour is the label.

# %%
shuffled = wanted.shuffle(buffer_size=2000)

figure, axes = plt.subplots(2, 1, figsize=(9, 1.8), dpi=80, layout="constrained")
for axis, pipe, title in zip(axes, (wanted, shuffled), ("as listed", "shuffled"), strict=True):
    axis.imshow([[WANTED.index(label_of(each)) for each in pipe]], aspect="auto", cmap="tab10", vmax=9)
    axis.set(title=title, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## Load
#
# `AISFileLoader` takes URLs and yields pairs of a URL and a stream, which is read like a file. It reads ahead: many
# objects are under way at once.
#
# `sharding_filter` stands before it. In a `DataLoader` with workers it lets each worker have a part of the URLs, so
# every object is loaded once.


# %%
def decoded(pair):
    object_url, stream = pair
    return torch.from_numpy(pixels_of(stream.read())).unsqueeze(0), label_of(object_url)


samples = AISFileLoader(shuffled.sharding_filter(), url=endpoint).map(decoded)

some = list(islice(samples, 32))
figure, axes = plt.subplots(2, 16, figsize=(9.6, 1.7), dpi=80)
for axis, (image, label) in zip(axes.flat, some, strict=True):
    axis.imshow(image[0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(label, fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# The same as one chain. `list_files_by_ais` and `load_files_by_ais` stand for the two classes.


# %%
def chain(part):
    return (
        IterableWrapper([f"{url}/digits/{part}/"])
        .list_files_by_ais(url=endpoint)
        .filter(is_wanted)
        .shuffle(buffer_size=2000)
        .sharding_filter()
        .load_files_by_ais(url=endpoint)
    )


# %% [markdown]
# ## Who loads what
#
# Each object is marked with the worker that loaded it, and with its label. All labels go to all workers.


# %%
def with_worker(pair):
    info = get_worker_info()
    return label_of(pair[0]), 0 if info is None else info.id


loader = DataLoader(chain("train").map(with_worker), batch_size=32, num_workers=WORKERS, collate_fn=list)
pairs = [pair for batch in loader for pair in batch]
print(f"{len(pairs)} objects loaded")

figure, axis = plt.subplots(figsize=(7, 2.4), dpi=80, layout="constrained")
positions = range(len(WANTED))
for worker in range(max(1, WORKERS)):
    counts = [pairs.count((label, worker)) for label in WANTED]
    axis.bar([x + 0.4 * worker for x in positions], counts, 0.38, label=f"worker {worker}")
axis.set(xlabel="label", ylabel="objects", xticks=[x + 0.2 for x in positions], xticklabels=WANTED)
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Train
#
# A `DataLoader` takes the last step of the chain. `shuffle=True` gives each epoch another order.

# %%
train_loader = DataLoader(chain("train").map(decoded), batch_size=32, shuffle=True, num_workers=WORKERS)
test_loader = DataLoader(chain("test").map(decoded), batch_size=32)

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
optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
losses = []
network.train()
for _ in range(6):
    for images, labels in train_loader:
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

network.eval()
with torch.no_grad():
    batches = [(labels, network(images).argmax(1)) for images, labels in test_loader]
labels, answers = (torch.cat(parts) for parts in zip(*batches, strict=True))
print(f"accuracy: {100 * (answers == labels).float().mean().item():.1f}%")

# %% [markdown]
# Left, the loss, batch by batch. Right, what the test images are (rows) and what the network takes them for
# (columns).

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), dpi=80, layout="constrained", width_ratios=(2, 1))
left.plot(losses, linewidth=1)
left.set(xlabel="batch", ylabel="loss", ylim=0)
table = [[int(((labels == label) & (answers == answer)).sum()) for answer in WANTED] for label in WANTED]
right.imshow(table, cmap="Blues")
for row, numbers in enumerate(table):
    for column, number in enumerate(numbers):
        right.text(column, row, number, ha="center", va="center", color="white" if number > 15 else "black")
right.set(xlabel="taken for", ylabel="is", xticks=positions, yticks=positions, xticklabels=WANTED, yticklabels=WANTED)
plt.show()

# %% [markdown]
# ## The end
#
# The bucket goes, and the embedded server with it.

# %%
bucket.delete()
server.stop()
