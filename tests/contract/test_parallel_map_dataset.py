"""The dataset of large objects: ranges in parallel, buffers like the SDK's, in workers too."""

from __future__ import annotations

import inspect
import io
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from aistore.sdk import Bucket
from aistore.sdk.obj.content_iterator import ParallelBuffer
from torch.utils.data import DataLoader

from aistorch import AISBaseMapDataset, AISMapDataset, AISParallelMapDataset
from aistorch.config import ReadConfig
from aistorch.datasets.object_buffer import ObjectBuffer
from aistorch.errors import InvalidArgumentError, NoSourceError, SampleIndexError
from aistorch.fetch.request import Request
from tests.support.loading import load
from tests.support.objects import content, in_order, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

CONTENTS = {
    **{f"o{number:02}": content(f"parallel{number}", 1 + number * 1000) for number in range(20)},
    "p/large": content("parallel-large", 20 << 20),
}
EXPECTED = in_order(CONTENTS)


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


def contents(samples: Any) -> list[tuple[str, bytes]]:
    return [(name, buffer.tobytes()) for name, buffer in samples]


def test_samples_are_those_of_the_sdks_plugin(filled: Bucket) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    group = filled.objects(obj_names=["p/large", "o03"])
    theirs, ours = (kind(group, None, 2) for kind in (plugin.AISParallelMapDataset, AISParallelMapDataset))
    assert len(ours) == len(theirs) == 2
    assert ours.num_workers == theirs.num_workers == 2
    for position in range(2):
        (their_name, their_buffer), (name, buffer) = theirs[position], ours[position]
        with their_buffer, buffer:
            assert isinstance(buffer, type(their_buffer))
            assert (name, len(buffer), bytes(buffer.buf)) == (their_name, len(their_buffer), bytes(their_buffer.buf))
            assert buffer.tobytes() == their_buffer.tobytes()


def test_all_of_a_bucket(filled: Bucket) -> None:
    dataset = AISParallelMapDataset(filled)
    assert isinstance(dataset, AISBaseMapDataset)
    assert dataset.num_workers == 16
    assert contents(dataset[position] for position in range(len(dataset))) == EXPECTED
    assert contents(dataset.__getitems__(list(range(len(dataset))))) == EXPECTED
    assert contents([dataset[-1]]) == EXPECTED[-1:]
    prefixed = AISParallelMapDataset([filled], {filled: ["p/", "o0"]}, num_workers=3)
    assert contents(prefixed.__getitems__(list(range(11)))) == [*in_order(CONTENTS, "p/"), *in_order(CONTENTS, "o0")]
    with pytest.raises(SampleIndexError):
        dataset[len(dataset)]
    with pytest.raises(IndexError):
        dataset[-len(dataset) - 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_in_workers(filled: Bucket, workers: int) -> None:
    dataset = AISParallelMapDataset(filled, num_workers=4)
    assert contents(load(dataset, workers, "fork", batch_size=4)) == EXPECTED
    # torch's own ways of making batches let buffers through.
    context = "fork" if workers else None
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, multiprocessing_context=context)
    batches = [contents(zip(names, buffers, strict=True)) for names, buffers in loader]
    assert [sample for batch in batches for sample in batch] == EXPECTED
    loader = DataLoader(dataset, batch_size=None, num_workers=workers, multiprocessing_context=context)
    assert contents(loader) == EXPECTED


def test_it_can_be_pickled(filled: Bucket) -> None:
    dataset = AISParallelMapDataset(filled, {filled: "o0"}, num_workers=4)
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(dataset))
        assert contents(copy.__getitems__([0, 1])) == contents([dataset[0], dataset[1]]) == EXPECTED[:2]
        assert copy.num_workers == 4


@pytest.mark.parametrize(("workers", "size", "ranges"), [(4, 20 << 20, 3), (1, 20 << 20, 3), (0, 1, 1), (8, 1, 1)])
def test_large_objects_are_read_in_ranges(filled: Bucket, workers: int, size: int, ranges: int) -> None:
    name = "p/large" if size > 1 else "o00"
    split = Request.split
    parts = []

    def watching(self: Request, size: int) -> list[Request]:
        pieces = split(self, size)
        parts.extend(pieces)
        return pieces

    dataset = AISParallelMapDataset(filled, {filled: name}, workers, config=ReadConfig(split_from=8 << 20))
    with patch.object(Request, "split", watching):
        _, buffer = dataset[0]
    assert bytes(buffer) == CONTENTS[name]
    assert len(parts) == (ranges if size > 1 else 0)


def test_without_ranges_contents_are_bytes(filled: Bucket) -> None:
    dataset: Any = AISParallelMapDataset(filled, num_workers=0)
    assert [dataset[0], *dataset.__getitems__([1, 2])] == EXPECTED[:3]
    with pytest.raises(InvalidArgumentError, match="num_workers is -1"):
        AISParallelMapDataset(filled, num_workers=-1)
    with pytest.raises(NoSourceError):
        AISParallelMapDataset()


def test_a_subclass_makes_samples_of_its_own(filled: Bucket) -> None:
    class Lengths(AISParallelMapDataset):
        def __getitem__(self, index: int) -> Any:
            name, buffer = super().__getitem__(index)
            with buffer:
                return name, len(buffer)

    expected = [(name, len(body)) for name, body in EXPECTED]
    assert load(Lengths(filled), 0, batch_size=6) == expected
    assert load(Lengths(filled), 2, "fork", batch_size=6) == expected


# the buffer


def test_a_buffer_has_all_that_the_sdks_has() -> None:
    theirs = {name for name in vars(ParallelBuffer) if not name.startswith("_")}
    assert theirs
    assert theirs <= set(dir(ObjectBuffer))
    for name in theirs:
        method = inspect.getattr_static(ParallelBuffer, name)
        if inspect.isfunction(method):
            ours = inspect.signature(getattr(ObjectBuffer, name))
            assert list(ours.parameters) == list(inspect.signature(method).parameters)
        else:
            assert isinstance(inspect.getattr_static(ObjectBuffer, name), property)


def test_how_buffers_are_used() -> None:
    with ObjectBuffer("o", b"\x00\x01\x02\x03") as buffer:
        assert isinstance(buffer, ParallelBuffer)
        assert isinstance(buffer.buf, memoryview)
        assert (len(buffer), buffer.name, bytes(buffer), bytes(buffer.buf[1:3])) == (4, "o", b"\0\1\2\3", b"\1\2")
        array = np.frombuffer(buffer.buf, dtype=np.uint16)
        tensor = torch.frombuffer(bytearray(buffer.buf), dtype=torch.uint8)
        stream = io.BytesIO(buffer.buf)
        copy = pickle.loads(pickle.dumps(buffer))
    # What was made of it stays, and closing it once more does no harm.
    assert array.tolist() == [256, 770]
    assert tensor.tolist() == [0, 1, 2, 3]
    assert stream.read() == b"\0\1\2\3"
    assert copy.tobytes() == b"\0\1\2\3"
    buffer.close()
    for use in (lambda: buffer.buf, buffer.tobytes, lambda: bytes(buffer), lambda: pickle.dumps(buffer)):
        with pytest.raises(ValueError, match="the buffer of o has been closed"):
            use()
    assert "o" in repr(buffer)


def test_a_buffer_copies_nothing() -> None:
    body = content("copied", 1000)
    buffer = ObjectBuffer("o", body)
    assert buffer.tobytes() is body
    assert buffer.buf.obj is body


def test_it_reads_what_the_map_dataset_reads(filled: Bucket) -> None:
    same = AISMapDataset(filled)
    assert contents(AISParallelMapDataset(filled).__getitems__([0, 5])) == same.__getitems__([0, 5])
