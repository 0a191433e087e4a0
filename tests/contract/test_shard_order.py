"""Order of shards: workers, ranks, shuffle, going on where a run stopped; each sample as often as it should come."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket

from aistorch import AISDataLoader, AISShardReader, ReadConfig
from aistorch.config import ShuffleConfig
from aistorch.errors import NewExtensionWarning, StateMismatchError
from aistorch.order.partition import Even
from tests.support.loading import error_of, load
from tests.support.shards import Files, files_of, grouped, names, read_slowly, shard_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SHARDS: dict[str, Files] = {
    "0.tar": files_of("a", 5, ("x",)),
    "1.tar": files_of("b", 1, ("x", "y")),
    "2.tar": [("README", b"no sample")],
    "3.tar": files_of("c", 9, ("z", "x")),
    "4.tar": files_of("d", 3, ("x",)),
    "5.tar": files_of("e", 4, ("w", "x")),
}
EXPECTED = read_slowly(SHARDS.values())
COUNT = len(EXPECTED)
NAMES = names(EXPECTED)
SHUFFLED = ShuffleConfig(buffer=6)


@dataclass(frozen=True)
class Stored:
    """The same shards twice, without and with an index beside each."""

    plain: Bucket
    indexed: Bucket

    def __getitem__(self, kind: str) -> Bucket:
        return self.indexed if kind == "indexed" else self.plain


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Stored]:
    client = ais.client()
    with shard_bucket(client, SHARDS) as plain, shard_bucket(client, SHARDS, with_indices=True) as with_indices:
        yield Stored(plain, with_indices)


def names_of(dataset: Any) -> list[str]:
    return [name for name, _ in dataset]  # list() would ask for the length


# workers


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_workers_read_each_sample_once(stored: Stored, workers: int) -> None:
    dataset = AISShardReader(stored.plain)
    # One worker begins with files of the others' extensions, or none: what it has seen differs.
    contents = {name: {key: body for key, body in files.items() if body} for name, files in EXPECTED}
    found = load(dataset, workers, "fork", batch_size=3)
    assert sorted(names(found)) == sorted(NAMES)
    assert {name: {key: body for key, body in files.items() if body} for name, files in found} == contents


def test_fewer_shards_than_workers(stored: Stored) -> None:
    dataset = AISShardReader(stored.plain, {stored.plain: ["3", "5"]})
    expected = [sample for sample in NAMES if sample[0] in "ce"]
    assert sorted(names(load(dataset, 5, "fork"))) == expected
    # Every second sample of each, and those of the longer shard by the third reader.
    assert names(load(dataset, 3, "fork", batch_size=None))[:3] == ["c-000", "e-000", "c-001"]


# ranks


@pytest.mark.parametrize("shuffle", [False, SHUFFLED])
@pytest.mark.parametrize(
    ("kind", "ranks", "workers"),
    [("plain", 2, 0), ("indexed", 3, 0), ("indexed", 2, 2), ("plain", 5, 0), ("plain", 40, 0)],
)
def test_ranks_have_as_many_samples_each(stored: Stored, kind: str, ranks: int, workers: int, shuffle: Any) -> None:
    lengths: dict[Even, int] = {"pad": -(-COUNT // ranks), "drop": COUNT // ranks}
    for even, each in lengths.items():
        found: list[str] = []
        for rank in range(ranks if ranks < 10 else 3):
            dataset = AISShardReader(
                stored[kind],
                even=even,
                rank=rank,
                world_size=ranks,
                shuffle=shuffle,
                batch_size=2,
            )
            own = names(load(dataset, workers, "fork", batch_size=2)) if workers else names_of(dataset)
            assert len(own) == each == len(dataset)
            found += own
        if ranks > 10:
            continue
        times = Counter(found)
        if even == "pad":
            assert set(times) == set(NAMES)
            assert sum(times.values()) - COUNT == each * ranks - COUNT < ranks
            assert max(times.values()) <= 2
        else:
            assert set(times) <= set(NAMES)
            assert set(times.values()) == {1}


@pytest.mark.parametrize("shuffle", [False, SHUFFLED])
def test_ranks_that_need_not_be_even_read_each_sample_once(stored: Stored, shuffle: Any) -> None:
    for ranks, workers in ((2, 3), (8, 0)):
        found: list[str] = []
        for rank in range(ranks):
            dataset = AISShardReader(stored.plain, even="off", rank=rank, world_size=ranks, shuffle=shuffle)
            own = names(load(dataset, workers, "fork")) if workers else names_of(dataset)
            assert len(dataset) == len(own)
            found += own
        assert sorted(found) == sorted(NAMES)


def test_with_one_rank_nothing_is_padded_or_dropped(stored: Stored) -> None:
    for even in ("pad", "drop", "off"):
        dataset = AISShardReader(stored.plain, even=even, rank=0, world_size=1)
        assert names_of(dataset) == NAMES
        assert len(dataset) == COUNT


def test_the_rank_is_that_of_the_moment_when_iteration_starts(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = AISShardReader(stored.plain, even="drop")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert names_of(dataset) == NAMES[COUNT // 2 : 2 * (COUNT // 2)]


# shuffle


def test_shuffle_is_another_order_in_each_epoch(stored: Stored) -> None:
    dataset = AISShardReader(stored.plain, shuffle=SHUFFLED, seed=5)
    epochs = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        epochs.append(names_of(dataset))
        dataset.set_epoch(epoch)
        assert names_of(dataset) == epochs[-1]
        assert sorted(epochs[-1]) == sorted(NAMES)
    assert len({tuple(epoch) for epoch in [NAMES, *epochs]}) == 4
    again = AISShardReader(stored.indexed, shuffle=SHUFFLED, seed=5)
    again.set_epoch(2)
    assert names_of(again) == epochs[2]
    assert names_of(AISShardReader(stored.plain, shuffle=SHUFFLED, seed=6)) != epochs[0]


def test_shuffle_mixes_shards_within_a_gathering(stored: Stored) -> None:
    found = names_of(AISShardReader(stored.plain, shuffle=True))
    # All samples fit one gathering: the shards do not come one after another any more.
    changes = sum(one[0] != other[0] for one, other in pairwise(found))
    assert changes > 6
    # Of one sample each, only the order of shards changes.
    found = names_of(AISShardReader(stored.plain, shuffle=ShuffleConfig(buffer=1), seed=1))
    assert found != NAMES
    assert [name for shard in dict.fromkeys(name[0] for name in found) for name in NAMES if name[0] == shard] == found
    by_bytes = names_of(AISShardReader(stored.plain, shuffle=ShuffleConfig(max_bytes=1), seed=1))
    assert by_bytes == found


def test_shuffle_keeps_contents_with_their_names(stored: Stored) -> None:
    contents = {name: {key: body for key, body in files.items() if body} for name, files in EXPECTED}
    for name, files in AISShardReader(stored.plain, shuffle=SHUFFLED):
        assert {key: body for key, body in files.items() if body} == contents[name]


# going on where a run stopped


def reader(bucket: Bucket, **options: Any) -> AISShardReader:
    return AISShardReader(bucket, config=ReadConfig(budget=options.pop("budget", 1 << 20)), **options)


WAYS: dict[str, dict[str, Any]] = {
    "in order": {},
    "declared": {"extensions": ["x", "y"]},
    "shuffled": {"shuffle": SHUFFLED, "seed": 2},
    "a rank": {"rank": 1, "world_size": 3},
    "a shuffled rank": {"rank": 0, "world_size": 2, "shuffle": SHUFFLED},
    "a rank of more than shards": {"rank": 4, "world_size": 9, "even": "off"},
}


@pytest.mark.parametrize("kind", ["plain", "indexed"])
@pytest.mark.parametrize("way", WAYS)
def test_going_on_anywhere_gives_the_rest(ais: Server, stored: Stored, kind: str, way: str) -> None:
    dataset = reader(stored[kind], **WAYS[way])
    dataset.set_epoch(3)
    samples = iter(dataset)
    states, found = [dataset.state_dict()], []
    for sample in samples:
        found.append(sample)
        states.append(dataset.state_dict())
    expected = grouped(found)
    assert len(expected) > 1
    for taken, state in list(enumerate(states[:-1]))[:: 1 if ais.targets == 1 else 6]:
        saved = json.dumps(state)
        assert len(saved) < 1024
        other = reader(stored[kind], **WAYS[way])
        other.load_state_dict(json.loads(saved))
        assert other.epoch == 3
        assert other.state_dict() == state
        rest = [(name, dict(files)) for name, files in other]
        assert rest == expected[taken:]
        if taken % 5 == 0:  # what was loaded is used once
            other.set_epoch(3)
            assert [(name, dict(files)) for name, files in other] == expected


def test_going_on_twice(stored: Stored) -> None:
    for options in ({}, {"shuffle": SHUFFLED}):
        expected = grouped(reader(stored.plain, **options))
        found, state = [], None
        for step in (2, 4, 1, 7, COUNT - 14):
            dataset = reader(stored.plain, **options)
            if state is not None:
                dataset.load_state_dict(state)
            found += grouped(islice(dataset, step))
            state = dataset.state_dict()
        assert found == expected


def test_going_on_after_many_extensions_looks_them_up(ais: Server) -> None:
    many = tuple(f"extension-{number}" for number in range(60))
    shards = {"0.tar": files_of("a", 2, many), "1.tar": files_of("b", 2, ("x",))}
    with shard_bucket(ais.client(), shards) as bucket:
        dataset = reader(bucket)
        samples = iter(dataset)
        _, _, third = (next(samples) for _ in range(3))
        state = dataset.state_dict()
        assert len(json.dumps(state)) < 1024
        other = reader(bucket)
        other.load_state_dict(state)
        (name, files), *more = other
        assert (name, files.keys(), more) == ("b-001", third[1].keys(), [])


def test_another_epoch_begins_at_its_start(stored: Stored) -> None:
    dataset = reader(stored.plain, shuffle=SHUFFLED)
    list(islice(dataset, 5))
    state = dataset.state_dict()
    dataset.set_epoch(1)
    assert "piece" not in dataset.state_dict()
    expected = names_of(dataset)
    other = reader(stored.plain, shuffle=SHUFFLED)
    other.load_state_dict(state)
    other.set_epoch(1)
    assert names_of(other) == expected


@pytest.mark.parametrize(("workers", "options"), [(0, {}), (2, {}), (2, {"shuffle": SHUFFLED})])
def test_a_loader_goes_on(stored: Stored, workers: int, options: dict[str, Any]) -> None:
    def loader() -> Any:
        dataset = reader(stored.indexed, **options)
        return AISDataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=grouped)

    expected = list(loader())
    for taken in (1, 8):
        first = loader()
        batches = iter(first)
        assert [next(batches) for _ in range(taken)] == expected[:taken]
        state = json.dumps(first.state_dict())
        assert len(state) < 1024
        second = loader()
        second.load_state_dict(json.loads(state))
        assert list(second) == expected[taken:]
        del batches


def test_a_loader_of_fewer_shards_than_workers_goes_on(stored: Stored) -> None:
    def loader() -> Any:
        dataset = AISShardReader(stored.plain, {stored.plain: ["3", "5"]})
        return AISDataLoader(dataset, batch_size=2, num_workers=3, collate_fn=names)

    first = loader()
    batches = iter(first)
    found = [next(batches) for _ in range(4)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert sorted(sum([*found, *second], [])) == [name for name in NAMES if name[0] in "ce"]  # noqa: RUF017


def test_states_that_do_not_fit_are_refused_with_the_reason(stored: Stored) -> None:
    dataset = reader(stored.plain, shuffle=SHUFFLED)
    list(islice(dataset, 3))
    state = dataset.state_dict()
    for options, text in (
        ({"shuffle": False}, "shuffle was True"),
        ({"shuffle": True}, r"gathering was \[6"),
        ({"shuffle": SHUFFLED, "seed": 1}, "seed was 0 and is 1"),
        ({"shuffle": SHUFFLED, "batch_size": 4}, "batch_size was None and is 4"),
    ):
        with pytest.raises(StateMismatchError, match=text):
            reader(stored.plain, **options).load_state_dict(state)
    with pytest.raises(StateMismatchError, match="count was 6"):
        AISShardReader(stored.plain, {stored.plain: ["0", "1"]}, shuffle=SHUFFLED).load_state_dict(state)
    for name, value in (("sample", "3"), ("taken", None), ("extensions", [3]), ("version", 99), ("kind", "objects")):
        with pytest.raises(StateMismatchError):
            reader(stored.plain, shuffle=SHUFFLED).load_state_dict({**state, name: value})


def test_states_of_other_ranks_and_workers_are_refused_with_the_reason(stored: Stored) -> None:
    dataset = reader(stored.plain, rank=1, world_size=2)
    list(islice(dataset, 3))
    state = dataset.state_dict()
    other = reader(stored.plain, rank=0, world_size=2)
    other.load_state_dict(state)
    with pytest.raises(StateMismatchError, match=r"worker 0 of 1 of rank 1 of 2, and .* worker 0 of 1 of rank 0 of 2"):
        next(iter(other))
    other = reader(stored.plain, rank=1, world_size=2)
    other.load_state_dict(state)
    error = error_of(other, 2, "fork")
    assert isinstance(error, StateMismatchError)
    assert "worker 0 of 2" in str(error)
    loader: Any = AISDataLoader(reader(stored.plain), num_workers=2, collate_fn=list)
    next(iter(loader))
    with pytest.raises(StateMismatchError, match="saved with 2 workers, and the loader has 3"):
        AISDataLoader(reader(stored.plain), num_workers=3).load_state_dict(loader.state_dict())


def test_a_shard_with_a_new_extension_is_told(stored: Stored) -> None:
    with pytest.warns(NewExtensionWarning, match=r"1\.tar is the first shard with 'y'"):
        names_of(AISShardReader(stored.plain))
    # Where all are known before, the keys of the first sample are those of all.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dataset in (AISShardReader(stored.indexed), AISShardReader(stored.plain, extensions=list("wxyz"))):
            assert {frozenset(files) for _, files in dataset} == {frozenset("wxyz")}
        for workers in (0, 2):
            loader: Any = AISDataLoader(AISShardReader(stored.indexed), 4, num_workers=workers, collate_fn=list)
            assert {tuple(files) for batch in loader for _, files in batch} == {tuple("xyzw")}
