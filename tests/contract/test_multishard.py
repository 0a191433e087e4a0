"""`AISMultiShardStream`: rows of shards side by side, split without repeats, and what if they differ in length."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket, DataShard

from aistorch import AISDataLoader, AISMultiShardStream, ReadConfig
from aistorch.config import ShuffleConfig
from aistorch.errors import (
    ArgumentTypeError,
    DamagedShardError,
    InvalidArgumentError,
    StateMismatchError,
    UnequalLengthsError,
    UnequalLengthsWarning,
    UnpairedFilesError,
)
from tests.support import archives
from tests.support.loading import error_of, load
from tests.support.objects import content, new_bucket, put_all
from tests.support.shards import Files, indexed
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

Contents = tuple[bytes, ...]
COUNT = 14
SHUFFLED = ShuffleConfig(buffer=5)


def row(name: str, *cuts: int) -> dict[str, Files]:
    """The same files, whatever shards they are cut into."""
    files = [
        (f"{number:03}.{name}", content(f"{name}{number}", 20 + 1000 * (number % 3))) for number in range(cuts[-1])
    ]
    firsts = [0, *cuts]
    return {f"{name}/{at}.tar": files[first:stop] for at, (first, stop) in enumerate(zip(firsts, cuts, strict=False))}


# The rows are cut in different places; one shard is empty, one has an index, one a file that is of no sample.
ROWS = {**row("a", 5, 5, COUNT), **row("b", COUNT), **row("c", 1, 2, 3, 9, COUNT)}
EXPECTED: list[Contents] = [
    tuple(content(f"{name}{number}", 20 + 1000 * (number % 3)) for name in "abc") for number in range(COUNT)
]


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Bucket]:
    objects: dict[str, bytes] = {}
    for name, files in ROWS.items():
        objects |= indexed(name, files) if name == "c/3.tar" else {name: pack(files)}
    with new_bucket(ais.client(), objects) as bucket:
        yield bucket


def sources(ais: Server, bucket: Bucket, *rows: str) -> list[DataShard]:
    return [DataShard(ais.endpoint, bucket.name, prefix=f"{name}/") for name in rows]


@pytest.fixture
def rows(ais: Server, stored: Bucket) -> list[DataShard]:
    return sources(ais, stored, "a", "b", "c")


def test_samples_are_those_of_the_sdks_plugin(ais: Server, stored: Bucket, rows: list[DataShard]) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    # The plugin takes the index beside a shard for a file in it, so it gets the rows without one.
    plain = sources(ais, stored, "a", "b")
    assert list(AISMultiShardStream(plain)) == [*plugin.AISMultiShardStream(plain)]
    dataset = AISMultiShardStream(rows)
    for _ in range(2):
        samples = list(dataset)
        assert samples == EXPECTED
        assert {type(sample) for sample in samples} == {tuple}
    assert len(dataset) == COUNT
    one = sources(ais, stored, "b")
    assert list(AISMultiShardStream(one)) == [*plugin.AISMultiShardStream(one)] == [sample[1:2] for sample in EXPECTED]


@pytest.mark.parametrize("config", [ReadConfig(budget=1), ReadConfig(in_flight=1), ReadConfig(direct=False)])
def test_configurations_change_no_sample(rows: list[DataShard], config: ReadConfig) -> None:
    assert list(AISMultiShardStream(rows, config=config)) == EXPECTED


def test_large_shards_in_small_memory(ais: Server, bucket: Bucket) -> None:
    files = [(f"{number}.x", content(f"large{number}", 700_000)) for number in range(8)]
    put_all(bucket, {"a/0.tar": pack(files), "b/0.tar": pack(files[:3]), "b/1.tar": pack(files[3:])})
    dataset = AISMultiShardStream(sources(ais, bucket, "a", "b"), config=ReadConfig(budget=1 << 20))
    assert list(dataset) == [(body, body) for _, body in files]


def test_files_that_are_of_no_sample_count_as_well(ais: Server, bucket: Bucket) -> None:
    files = [("README", b"0"), ("x.jpg", b"1"), (".hidden", b"2"), ("x.cls", b"3")]
    put_all(bucket, indexed("a/0.tar", files) | {"b/0.tar": pack(files)})
    dataset = AISMultiShardStream(sources(ais, bucket, "a", "b"))
    assert len(dataset) == 4
    assert list(dataset) == [(b"0", b"0"), (b"1", b"1"), (b"2", b"2"), (b"3", b"3")]
    assert sorted(load(dataset, 2, "fork")) == list(dataset)


def test_compressed_shards_and_zips(ais: Server, bucket: Bucket) -> None:
    files = [(f"{number}.x", b"%d" % number) for number in range(5)]
    formats = {"a": ".tar.gz", "b": ".tgz", "c": ".zip", "d": ".tar"}
    put_all(bucket, {f"{name}/0{suffix}": archives.pack(suffix, files) for name, suffix in formats.items()})
    dataset = AISMultiShardStream(sources(ais, bucket, *formats))
    assert list(dataset) == [(body,) * 4 for _, body in files]
    assert len(dataset) == 5
    assert sorted(load(dataset, 2, "fork")) == [(body,) * 4 for _, body in files]


# workers, ranks


@pytest.mark.parametrize(("workers", "options"), [(0, {}), (2, {"shuffle": SHUFFLED}), (4, {"batch_size": 3})])
def test_workers_read_each_sample_once(rows: list[DataShard], workers: int, options: dict[str, Any]) -> None:
    dataset = AISMultiShardStream(rows, **options)
    assert sorted(load(dataset, workers, "fork", batch_size=3)) == sorted(EXPECTED)


def test_ranks(rows: list[DataShard]) -> None:
    for even, total in (("pad", 15), ("drop", 12), ("off", 14)):
        found: list[Contents] = []
        for rank in range(3):
            dataset = AISMultiShardStream(rows, even=even, rank=rank, world_size=3, batch_size=2)  # type: ignore[arg-type]
            own = load(dataset, 2, "fork") if rank == 1 else list(dataset)
            assert len(own) == len(dataset)
            found += sorted(own, key=EXPECTED.index)
        assert len(found) == total
        assert found[:12] == EXPECTED[:12] if even == "drop" else set(found) == set(EXPECTED)


def test_shuffle(rows: list[DataShard]) -> None:
    dataset = AISMultiShardStream(rows, shuffle=SHUFFLED)
    first, second = list(dataset), list(dataset)
    dataset.set_epoch(0)
    again = list(dataset)
    assert first == again != second
    assert sorted(first) == sorted(second) == sorted(EXPECTED)
    assert first != EXPECTED


# going on


@pytest.mark.parametrize("options", [{}, {"shuffle": SHUFFLED}, {"rank": 1, "world_size": 2}])
def test_going_on_anywhere_gives_the_rest(ais: Server, rows: list[DataShard], options: dict[str, Any]) -> None:
    dataset = AISMultiShardStream(rows, **options)
    states, expected = [dataset.state_dict()], []
    for sample in dataset:
        expected.append(sample)
        states.append(dataset.state_dict())
    for taken, state in list(enumerate(states))[:: 1 if ais.targets == 1 else 5]:
        saved = json.dumps(state)
        assert len(saved) < 1024
        other = AISMultiShardStream(rows, **options)
        other.load_state_dict(json.loads(saved))
        assert [*islice(other, 100)] == expected[taken:]


def test_a_loader_goes_on(rows: list[DataShard]) -> None:
    def loader() -> Any:
        return AISDataLoader(AISMultiShardStream(rows), batch_size=2, num_workers=2, collate_fn=list)

    expected = list(loader())
    first = loader()
    batches = iter(first)
    assert [next(batches) for _ in range(3)] == expected[:3]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert list(second) == expected[3:]


def test_states_that_do_not_fit(ais: Server, stored: Bucket, rows: list[DataShard]) -> None:
    dataset = AISMultiShardStream(rows)
    next(iter(dataset))
    with pytest.raises(StateMismatchError, match="count was 9 and is 4"):
        AISMultiShardStream(sources(ais, stored, "a", "b")).load_state_dict(dataset.state_dict())


# lengths


def test_rows_of_different_lengths_are_warned_of(ais: Server, bucket: Bucket) -> None:
    files = [(f"{number}.x", b"%d" % number) for number in range(7)]
    put_all(bucket, {"a/0.tar": pack(files), "b/0.tar": pack(files[:3]), "b/1.tar": pack(files[3:5])})
    expected = [(body, body) for _, body in files[:5]]
    text = rf"ais://{bucket.name}/a/ has 7, ais://{bucket.name}/b/ has 5"
    for order in ("ab", "ba"):
        unequal = sources(ais, bucket, *order)
        dataset = AISMultiShardStream(unequal, strict=False)
        with pytest.warns(UnequalLengthsWarning, match=text if order == "ab" else "has 5.*has 7"):
            assert [*islice(dataset, 100)] == expected
        with pytest.warns(UnequalLengthsWarning):
            assert len(AISMultiShardStream(unequal, strict=False)) == 5
        strict = AISMultiShardStream(unequal)
        found: list[Contents] = []
        with pytest.raises(UnequalLengthsError, match=text if order == "ab" else "has 5.*has 7"):
            found.extend(islice(strict, 100))
        assert found in ([], expected)
        assert isinstance(error_of(strict, 2, "fork"), UnequalLengthsError)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert sorted(load(AISMultiShardStream(unequal, strict=False), 2, "fork")) == expected


def test_a_row_without_files_ends_all(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {"a/0.tar": pack([("x.y", b"1")]), "b/0.tar": pack([])})
    with pytest.warns(UnequalLengthsWarning, match="has 1.*has 0"):
        assert list(AISMultiShardStream(sources(ais, bucket, "a", "b"), strict=False)) == []


# names


def test_files_of_macos_count_for_none(ais: Server, bucket: Bucket) -> None:
    images = [(f"{mac}{number}.jpg", b"%d" % number) for number in range(4) for mac in ("._", "")]
    labels = [(f"{number}.cls", b"%d" % number) for number in range(4)]
    put_all(bucket, {"a/0.tar": pack([("x/._.DS_Store", b"?"), *images]), "b/0.tar": pack(labels)})
    dataset = AISMultiShardStream(sources(ais, bucket, "a", "b"))
    assert list(dataset) == [(b"%d" % number,) * 2 for number in range(4)]
    assert len(dataset) == 4
    assert sorted(load(dataset, 2, "fork")) == list(dataset)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("missing", [0, 3, 6])
def test_files_that_do_not_belong_together_are_an_error_that_names_them(
    ais: Server, bucket: Bucket, missing: int, workers: int
) -> None:
    images = [(f"images/{number}.jpg", b"%d" % number) for number in range(8) if number != missing]
    labels = [(f"labels/{number}.cls", b"%d" % number) for number in range(7)]
    put_all(bucket, {"a/0.tar": pack(images), "b/0.tar": pack(labels)})
    error = error_of(AISMultiShardStream(sources(ais, bucket, "a", "b")), workers, "fork")
    assert isinstance(error, UnpairedFilesError)
    assert re.search(r"'images/\d\.jpg' of ais://.*/a/, 'labels/\d\.cls' of ais://.*/b/", str(error))


def test_names_that_have_nothing_in_common_are_paired_by_position(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {f"{row}/0.tar": pack([(f"{row}{n}.x", b"%d" % n) for n in range(5)]) for row in "ab"})
    assert list(AISMultiShardStream(sources(ais, bucket, "a", "b"))) == [(b"%d" % n,) * 2 for n in range(5)]


# errors, pickling


def test_a_damaged_shard_is_an_error(ais: Server, bucket: Bucket) -> None:
    files = [(f"{number}.x", bytes(2000)) for number in range(5)]
    damaged = bytearray(pack(files))
    damaged[3 * 2560] ^= 1
    put_all(bucket, {"a/0.tar": pack(files), "b/0.tar": bytes(damaged)})
    found: list[Contents] = []
    with pytest.raises(DamagedShardError, match=rf"ais://{bucket.name}/b/0\.tar"):
        found.extend(islice(AISMultiShardStream(sources(ais, bucket, "a", "b")), 100))
    assert found in ([], [(bytes(2000), bytes(2000))] * 3)


def test_arguments_that_cannot_be_used(stored: Bucket, rows: list[DataShard]) -> None:
    with pytest.raises(InvalidArgumentError, match="nothing to read"):
        AISMultiShardStream([])
    with pytest.raises(ArgumentTypeError, match="DataShard"):
        AISMultiShardStream([stored])  # type: ignore[list-item]
    assert list(AISMultiShardStream(rows[1])) == [(body,) for _, body, _ in EXPECTED]  # type: ignore[arg-type]


def test_it_can_be_pickled(rows: list[DataShard]) -> None:
    dataset = AISMultiShardStream(rows)
    assert list(pickle.loads(pickle.dumps(dataset))) == EXPECTED
    samples = iter(dataset)
    next(samples)
    assert list(pickle.loads(pickle.dumps(dataset))) == EXPECTED
