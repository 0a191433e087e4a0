"""Release 2.0: what a script can catch."""

import os

from aistore.pytorch import AISIterDataset, AISMapDataset, AISParallelMapDataset
from aistore.pytorch.batch_iter_dataset import AISBatchIterDataset
from aistore.sdk import Client
from aistore.sdk.errors import AISError, ErrBckNotFound

client = Client(os.environ["AIS_ENDPOINT"])
bucket = client.bucket("bucket1")
missing = client.bucket("no-such-bucket")


def attempt(label, kinds, call):
    try:
        call()
    except kinds as error:
        print(label, [kind.__name__ for kind in kinds if isinstance(error, kind)])
    else:
        print(label, "no error")


for kind in (AISMapDataset, AISIterDataset, AISParallelMapDataset):
    attempt(kind.__name__, (ValueError, TypeError), lambda: kind([]))  # noqa: B023
attempt("batch", (ValueError,), lambda: AISBatchIterDataset([], client))
attempt("index", (IndexError, LookupError), lambda: AISMapDataset(bucket)[100])
attempt("map", (AISError, ErrBckNotFound), lambda: AISMapDataset(missing))
attempt("iter", (AISError, ErrBckNotFound), lambda: list(AISIterDataset(missing)))
attempt("len", (AISError, ErrBckNotFound), lambda: len(AISIterDataset(missing)))
attempt("batch", (AISError, ErrBckNotFound), lambda: list(AISBatchIterDataset(missing, client)))
attempt("format", (ValueError,), lambda: list(AISBatchIterDataset(bucket, client, output_format=".rar")))
group = bucket.objects(obj_names=["file-1", "gone"])
attempt("gone", (AISError,), lambda: list(AISIterDataset(group)))
