"""`ZeroDict`: the plugin's contract, and what PyTorch does with it."""

from __future__ import annotations

import copy
import pickle

import pytest
from torch.utils.data import DataLoader, default_collate

from aistorch.shards.zero_dict import ZeroDict

KEYS = ("jpg", "cls", "json")


def test_it_has_nothing_where_it_was_given_none() -> None:
    sample = ZeroDict({"cls": b"1", "jpg": b"2"}, KEYS)
    assert sample == {"jpg": b"2", "cls": b"1", "json": b""}
    assert isinstance(sample, dict)


def test_its_keys_have_one_order() -> None:
    assert list(ZeroDict({"cls": b"1", "jpg": b"2"}, KEYS)) == list(KEYS) == list(ZeroDict({}, KEYS))
    assert list(ZeroDict({"zip": b"", "cls": b"1"}, KEYS)) == [*KEYS, "zip"]
    assert list(ZeroDict({}, {"c", "a", "b"})) == ["a", "b", "c"]


def test_it_is_the_plugins() -> None:
    plugin = pytest.importorskip("aistore.pytorch.shard_reader").AISShardReader.ZeroDict
    for content in ({}, {"jpg": b"1"}, {"other": b"2"}):
        assert ZeroDict(content, set(KEYS)) == plugin(content, set(KEYS))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_can_be_pickled_and_copied(protocol: int) -> None:
    sample = ZeroDict({"cls": b"1"}, KEYS)
    for twin in (pickle.loads(pickle.dumps(sample, protocol)), copy.copy(sample), copy.deepcopy(sample)):
        assert twin == sample
        assert list(twin) == list(sample)
        assert type(twin) is ZeroDict


def test_samples_that_lack_files_are_collated_whichever_comes_first() -> None:
    samples = [ZeroDict({"jpg": b"1"}, KEYS), ZeroDict({"cls": b"2"}, KEYS)]
    for batch in (samples, samples[::-1]):
        assert default_collate(batch) == {key: [sample[key] for sample in batch] for key in KEYS}


def test_it_passes_through_a_dataloader_with_workers() -> None:
    samples = [(f"{number}", ZeroDict({KEYS[number % 3]: b"%d" % number}, KEYS)) for number in range(6)]
    for workers in (0, 2):
        batches = list(DataLoader(samples, batch_size=3, num_workers=workers))  # type: ignore[arg-type]
        assert batches[1][0] == ("3", "4", "5")
        assert batches[1][1]["cls"] == [b"", b"4", b""]
