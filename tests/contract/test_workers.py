"""DataLoader workers, however many and however started: each sample once, and the parent goes on as before."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import AISSource, Bucket
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from aistorch import AISBaseIterDataset, AISBaseMapDataset, AISIterDataset, AISMapDataset
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import BucketNotFoundError, ObjectNotFoundError, SampleIndexError
from tests.support.loading import error_of, load
from tests.support.objects import content, in_order, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SIZES = [0, 1, 100, 4096, 65_536, 200_000]
CONTENTS = {f"o{number:03}": content(f"workers{number}", SIZES[number % len(SIZES)]) for number in range(50)}
OTHER_CONTENTS = {f"p{number}": content(f"workers-other{number}", 50) for number in range(5)}
EXPECTED = in_order(CONTENTS)
QUICK = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01))

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def sources(filled: Bucket) -> Iterator[list[AISSource]]:
    """Five, of which one is empty in effect and one is there twice."""
    with new_bucket(filled_client(filled), OTHER_CONTENTS) as other:
        group = filled.objects(obj_names=["o003", "o001"])
        yield [filled, other, group, other]


def filled_client(bucket: Bucket) -> Any:
    from aistore.sdk import Client

    return Client(bucket.client.base_url.removesuffix("/v1"))


class ReadByItself(AISBaseMapDataset):
    """A map-style dataset of a user's own."""

    def __getitem__(self, index: int) -> Any:
        obj = self.get_obj_list()[index]
        return obj.name, obj.get_reader().read_all()


class IterateByItself(AISBaseIterDataset):
    """An iterable dataset of a user's own; names the worker, too."""

    def __iter__(self) -> Iterator[Any]:
        self._reset_iterator()
        objects, name = self._get_worker_iter_info()
        for obj in objects:
            yield obj.name, obj.get_reader().read_all(), name


class WithWorker(AISIterDataset):
    """Tells with each sample which worker read it."""

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        for name, body in super().__iter__():
            yield name, body, None if info is None else info.id


class Both(IterableDataset[Any]):
    """A map-style and an iterable dataset in the same workers."""

    def __init__(self, by_index: AISMapDataset, in_turn: AISIterDataset) -> None:
        self.by_index, self.in_turn = by_index, in_turn

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        assert info is not None
        yield from self.in_turn
        yield from self.by_index.__getitems__(list(range(info.id, len(self.by_index), info.num_workers)))


@pytest.mark.parametrize("workers", [0, 2, 4])
def test_every_sample_comes_once(filled: Bucket, workers: int) -> None:
    """All kinds of datasets, before and after they were used here, and in the midst of it."""
    by_index, in_turn, own = AISMapDataset(filled), AISIterDataset(filled), ReadByItself(filled)
    for _ in range(2):
        shuffled = load(by_index, workers, "fork", batch_size=7, shuffle=True)
        assert shuffled != EXPECTED
        assert sorted(shuffled) == EXPECTED
        assert sorted(load(in_turn, workers, "fork", batch_size=7)) == EXPECTED
        assert load(own, workers, "fork", batch_size=7) == EXPECTED
        # Used in the parent, and under way there, when workers are started in the second round.
        suspended = iter(in_turn)
        assert [next(suspended) for _ in range(3)] == EXPECTED[:3]
        assert by_index.__getitems__([3, 1]) == [EXPECTED[3], EXPECTED[1]]
    assert list(suspended) == EXPECTED[3:]
    assert by_index[5] == EXPECTED[5]


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_every_sample_comes_once_where_workers_are_not_forked(second_server: Server, start: str) -> None:
    # Once and not for each server: each worker takes seconds to import torch.
    with new_bucket(second_server.client(), CONTENTS) as filled:
        by_index, in_turn = AISMapDataset(filled), AISIterDataset(filled, split="ranks+workers")
        suspended = iter(in_turn)
        assert next(suspended) == EXPECTED[0]
        assert by_index[1] == EXPECTED[1]
        assert sorted(load(Both(by_index, in_turn), 2, start)) == sorted(EXPECTED * 2)
        assert list(suspended) == EXPECTED[1:]


def test_samples_of_a_map_dataset_keep_the_samplers_order(filled: Bucket) -> None:
    dataset = AISMapDataset(filled)
    assert load(dataset, 4, "fork", batch_size=3) == EXPECTED
    # Without automatic batches a worker asks for one at a time.
    assert [tuple(sample) for sample in load(dataset, 2, "fork", batch_size=None)] == EXPECTED


def test_workers_take_turns(sources: list[AISSource]) -> None:
    expected = list(AISIterDataset(sources))
    for workers in (2, 3):
        by_worker: dict[int, list[Any]] = {}
        for name, body, worker in load(WithWorker(sources), workers, "fork"):
            by_worker.setdefault(worker, []).append((name, body))
        assert by_worker == {worker: expected[worker::workers] for worker in range(workers)}


@pytest.mark.parametrize("workers", [1, 2, 3, 6])
def test_workers_share_sources_where_asked(sources: list[AISSource], workers: int) -> None:
    by_worker: dict[int, list[Any]] = {}
    for name, body, worker in load(WithWorker(sources, partition_sources_by_worker=True), workers, "fork"):
        by_worker.setdefault(worker, []).append((name, body))
    expected = {worker: list(AISIterDataset(part)) for worker in range(workers) if (part := sources[worker::workers])}
    assert by_worker == expected


def test_a_source_with_several_prefixes_is_one_workers(filled: Bucket, sources: list[AISSource]) -> None:
    prefix_map: dict[AISSource, Any] = {filled: ["o00", "o01", "o02"]}
    dataset = WithWorker(sources[:2], prefix_map, partition_sources_by_worker=True)
    by_worker = {name: worker for name, _, worker in load(dataset, 2, "fork")}
    assert by_worker == {name: int(name.startswith("p")) for name in [*sorted(CONTENTS)[:30], *OTHER_CONTENTS]}


@pytest.mark.parametrize("partition", [False, True])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_the_workers_of_the_sdks_plugin_get_the_same(sources: list[AISSource], workers: int, partition: bool) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    theirs = plugin.AISIterDataset(sources, partition_sources_by_worker=partition)
    ours = AISIterDataset(sources, partition_sources_by_worker=partition)
    assert load(ours, workers, "fork", batch_size=4) == load(theirs, workers, "fork", batch_size=4)


@pytest.mark.parametrize("partition", [False, True])
def test_a_subclass_gets_its_workers_part(sources: list[AISSource], partition: bool) -> None:
    dataset = IterateByItself(sources, partition_sources_by_worker=partition)
    everything = list(AISIterDataset(sources))
    for workers in (1, 2, 3):
        parts: dict[str, list[Any]] = {}
        for name, body, label in load(dataset, workers, "fork"):
            parts.setdefault(label, []).append((name, body))
        if workers == 1:
            expected = {"": everything}
        elif partition:
            expected = {
                f" (Worker {worker})": list(AISIterDataset(sources[worker::workers])) for worker in range(workers)
            }
        else:
            expected = {f" (Worker {worker})": everything[worker::workers] for worker in range(workers)}
        assert parts == expected


def test_more_workers_than_objects(filled: Bucket) -> None:
    group = filled.objects(obj_names=["o001", "o002"])
    assert sorted(load(AISIterDataset(group), 4, "fork")) == [(name, CONTENTS[name]) for name in ("o001", "o002")]
    assert sorted(load(AISMapDataset(group), 4, "fork")) == [(name, CONTENTS[name]) for name in ("o001", "o002")]


@pytest.mark.parametrize("kind", [AISMapDataset, AISIterDataset])
def test_workers_that_persist(filled: Bucket, kind: type) -> None:
    loader = DataLoader(kind(filled), batch_size=8, num_workers=2, persistent_workers=True, collate_fn=list)
    for _ in range(3):
        assert sorted(sample for batch in loader for sample in batch) == EXPECTED
    # Left early, and begun again by the same workers.
    next(iter(loader))
    assert sorted(sample for batch in loader for sample in batch) == EXPECTED


def test_two_loaders_at_once(filled: Bucket) -> None:
    dataset = AISMapDataset(filled)
    first, second = (DataLoader(dataset, batch_size=5, num_workers=2, collate_fn=list) for _ in range(2))
    for mine, other in zip(first, second, strict=True):
        assert mine == other
    assert dataset[0] == EXPECTED[0]


def test_a_loader_knows_its_length(filled: Bucket) -> None:
    dataset = AISIterDataset(filled)
    loader = DataLoader(dataset, batch_size=7, num_workers=2)
    assert len(loader) == 8
    assert sum(len(names) for names, _ in loader) == len(EXPECTED)


def test_the_budget_is_shared_and_changes_no_sample(filled: Bucket) -> None:
    dataset = AISIterDataset(filled, config=ReadConfig(budget=100_000, in_flight=4))
    assert sorted(load(dataset, 4, "fork")) == EXPECTED


# pickling


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("kind", [AISMapDataset, AISIterDataset, ReadByItself, IterateByItself])
def test_datasets_can_be_pickled_at_any_time(filled: Bucket, kind: Any, protocol: int) -> None:
    dataset = kind(filled)

    def samples(of: Any) -> list[Any]:
        found = [of[position] for position in range(len(of))] if isinstance(of, AISBaseMapDataset) else list(of)
        return [(sample[0], sample[1]) for sample in found]

    assert samples(pickle.loads(pickle.dumps(dataset, protocol))) == EXPECTED
    assert samples(dataset) == EXPECTED
    assert samples(pickle.loads(pickle.dumps(dataset, protocol))) == EXPECTED
    if isinstance(dataset, AISBaseIterDataset):
        under_way = iter(dataset)
        first = [next(under_way) for _ in range(5)]
        assert samples(pickle.loads(pickle.dumps(dataset, protocol))) == EXPECTED
        rest = list(under_way)
        assert [(sample[0], sample[1]) for sample in [*first, *rest]] == EXPECTED


def test_a_pickle_is_about_as_large_as_the_index(filled: Bucket) -> None:
    few = AISMapDataset(filled.objects(obj_names=["o001"]))
    many = AISMapDataset(filled.objects(obj_template="some/longer/name-{000001..100000}.bin"))
    few[0]
    growth = len(pickle.dumps(many, 5)) - len(pickle.dumps(few, 5))
    assert growth < 100 * len(many)


# errors


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_reaches_the_parent_as_the_class_that_it_is(bucket: Bucket, workers: int) -> None:
    bucket.object("here").get_writer().put_content(b"x")
    bucket.object("gone").get_writer().put_content(b"x")
    by_index, in_turn = AISMapDataset(bucket, config=QUICK), AISIterDataset(bucket, config=QUICK)
    assert len(in_turn) == 2
    bucket.object("gone").delete()
    for dataset in (by_index, in_turn):
        error = error_of(dataset, workers, "fork")
        assert type(error) is ObjectNotFoundError
        assert (error.name, error.status_code) == (f"ais://{bucket.name}/gone", 404)
        assert f"ais://{bucket.name}/gone" in str(error)
        assert "deleted since" in str(error)
    assert type(error_of(by_index, workers, "fork", sampler=[7])) is SampleIndexError
    bucket.delete()
    if workers:
        # Without an index the workers list, and nothing is there any more.
        assert type(error_of(AISIterDataset(bucket), workers, "fork")) is BucketNotFoundError
    gc.collect()


def test_workers_go_on_after_an_error_elsewhere(filled: Bucket) -> None:
    dataset = AISMapDataset([filled, filled.objects(obj_names=["missing"])], config=QUICK)
    assert type(error_of(dataset, 2, "fork", batch_size=10)) is ObjectNotFoundError
    assert load(dataset, 2, "fork", sampler=range(len(EXPECTED))) == EXPECTED
