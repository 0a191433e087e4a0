"""`AISDataLoader`: torch's loader, saved after any batch and gone on with by any number of workers and ranks."""

from __future__ import annotations

import json
import random
import time
import warnings
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import torch
from aistore.sdk import Bucket
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, RandomSampler, get_worker_info

from aistorch import AISBatchSampler, AISDataLoader, AISIterDataset, AISMapDataset
from aistorch.config import ReadConfig
from aistorch.errors import AIStorchWarning, InvalidArgumentError, ReplayMismatchWarning, StateMismatchError
from tests.support.objects import content, in_order, listings, new_bucket

if TYPE_CHECKING:
    from tests.contract.conftest import Server

COUNT, BATCH = 23, 4
CONTENTS = {f"o{number:03}": content(f"loader{number}", 10 + number) for number in range(COUNT)}
NAMES = [name for name, _ in in_order(CONTENTS)]

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def embedded(second_server: Server) -> Iterator[Bucket]:
    """Where the server does not matter."""
    with new_bucket(second_server.client(), CONTENTS) as bucket:
        yield bucket


def names(samples: list[tuple[str, bytes]]) -> list[str]:
    return [name for name, _ in samples]


def iterable(bucket: Bucket, workers: int = 0, *, rank: int = 0, ranks: int = 1, **options: Any) -> AISDataLoader[Any]:
    dataset = AISIterDataset(bucket, shuffle=True, seed=2, even=options.pop("even", "pad"), rank=rank, world_size=ranks)
    return AISDataLoader(dataset, BATCH, num_workers=workers, collate_fn=names, **options)


def by_index(bucket: Bucket, workers: int = 0, *, rank: int = 0, ranks: int = 1, **options: Any) -> AISDataLoader[Any]:
    dataset = AISMapDataset(bucket)
    even = options.pop("even", "pad")
    batches = AISBatchSampler(dataset, BATCH, shuffle=True, seed=2, even=even, rank=rank, world_size=ranks)
    return AISDataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=names, **options)


def saved(loader: AISDataLoader[Any], batches: int) -> tuple[list[Any], dict[str, Any]]:
    """The first batches, and the state after them as it comes from a file."""
    taken = list(islice(loader, batches))
    text = json.dumps(loader.state_dict())
    assert len(text) < 1000
    return taken, json.loads(text)


def resumed(loader: AISDataLoader[Any], state: dict[str, Any], **options: Any) -> AISDataLoader[Any]:
    loader.load_state_dict(state, **options)
    return loader


# object datasets


@pytest.mark.parametrize("make", [iterable, by_index])
def test_it_goes_on_after_any_batch(filled: Bucket, make: Callable[..., AISDataLoader[Any]]) -> None:
    whole = list(make(filled))
    assert sorted(name for batch in whole for name in batch) == NAMES
    for taken in range(len(whole)):
        before, after = [(0, 2), (3, 0), (2, 1), (0, 0)][taken % 4]
        first, state = saved(make(filled, before), taken)
        loader = resumed(make(filled, after), state)
        assert loader.state_dict() == state
        assert (len(loader), loader.remaining) == (len(whole), len(whole) - taken)
        assert first + list(loader) == whole
        assert loader.remaining == 0


@pytest.mark.parametrize("make", [iterable, by_index])
@pytest.mark.parametrize(("before", "after"), [((2, 0), (3, 2)), ((3, 2), (1, 0)), ((1, 2), (2, 2))])
def test_other_numbers_of_ranks_and_workers_go_on(
    embedded: Bucket, make: Callable[..., AISDataLoader[Any]], before: tuple[int, int], after: tuple[int, int]
) -> None:
    """Each sample once, in the order of one rank that is never interrupted."""
    whole = [name for batch in make(embedded) for name in batch]
    ranks, workers = before
    for rounds in (0, 1):
        first = [saved(make(embedded, workers, rank=rank, ranks=ranks), rounds) for rank in range(ranks)]
        assert all(state == first[0][1] for _, state in first)
        begun = [name for turn in range(rounds) for taken, _ in first for name in taken[turn]]
        new_ranks, new_workers = after
        rest = []
        for rank in range(new_ranks):
            loader = make(embedded, new_workers, rank=rank, ranks=new_ranks, even="off")
            rest.append(list(resumed(loader, first[0][1])))
        turns = [part[turn] for turn in range(len(rest[0])) for part in rest if turn < len(part)]
        assert begun + [name for batch in turns for name in batch] == whole


@pytest.mark.parametrize("make", [iterable, by_index])
def test_what_was_received_counts_and_not_what_was_read_ahead(
    embedded: Bucket, make: Callable[..., AISDataLoader[Any]]
) -> None:
    loader = make(embedded, 2, prefetch_factor=4)
    batches = iter(loader)
    assert loader.state_dict()["start"] == 0
    next(batches)
    time.sleep(0.1)
    assert loader.state_dict()["start"] == BATCH


@pytest.mark.parametrize("make", [iterable, by_index])
@pytest.mark.parametrize("workers", [0, 2])
def test_epochs(embedded: Bucket, make: Callable[..., AISDataLoader[Any]], workers: int) -> None:
    loader = make(embedded, workers, persistent_workers=workers > 0)
    epochs = []
    for epoch in (0, 1, 1, 0):
        loader.set_epoch(epoch)
        epochs.append(list(loader))
    assert epochs[0] == epochs[3] != epochs[1] == epochs[2]
    # In epoch 1 it is interrupted; the same loader, with workers of its own, and another one go on.
    loader.set_epoch(1)
    first, state = saved(loader, 3)
    for other in (loader, make(embedded, workers, persistent_workers=workers > 0)):
        other.load_state_dict(state)
        assert first + list(other) == epochs[1]
        assert list(other) not in epochs
        assert other.epoch == 2
        other.set_epoch(0)
        assert list(other) == epochs[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_of_the_end_begins_the_next_epoch(embedded: Bucket, workers: int) -> None:
    for make in (iterable, by_index):
        for batches in (99, -(-COUNT // BATCH)):  # the end has been seen, or only the last batch
            uninterrupted = make(embedded, workers)
            first, second = list(uninterrupted), list(uninterrupted)
            whole, state = saved(make(embedded, workers), batches)
            assert whole == first
            loader = resumed(make(embedded, workers), state)
            assert loader.remaining == len(loader)
            assert list(loader) == second
            # Whoever says that it is the finished epoch has nothing left of it.
            loader = resumed(make(embedded, workers), state)
            loader.set_epoch(0)
            assert (loader.remaining, list(loader)) == (0, [])


@pytest.mark.parametrize("make", [iterable, by_index])
@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_each_iteration_is_the_next_epoch(
    embedded: Bucket, make: Callable[..., AISDataLoader[Any]], options: dict[str, Any]
) -> None:
    pinned = make(embedded)
    expected = []
    for epoch in (0, 1, 2, 7, 8):
        pinned.set_epoch(epoch)
        expected.append(list(pinned))
    loader = make(embedded, **{"workers" if name == "num_workers" else name: each for name, each in options.items()})
    seen = [list(loader) for _ in range(3)]
    loader.set_epoch(7)
    assert [*seen, list(loader), list(loader)] == expected
    assert (loader.epoch, len({tuple(map(tuple, epoch)) for epoch in expected})) == (8, 5)


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}])
def test_epochs_advance_in_the_workers_of_torchs_loader(embedded: Bucket, options: dict[str, Any]) -> None:
    dataset = AISIterDataset(embedded, shuffle=True, seed=2, batch_size=BATCH)
    plain: DataLoader[Any] = DataLoader(dataset, BATCH, num_workers=2, collate_fn=names, **options)
    loader = iterable(embedded)
    for _ in range(3):
        assert list(plain) == list(loader)
    dataset.set_epoch(9)
    loader.set_epoch(9)
    for _ in range(2):
        assert list(plain) == list(loader)


def test_an_epoch_that_is_set_right_after_the_start_is_the_next(embedded: Bucket) -> None:
    """However late the workers begin."""
    loader, expected = iterable(embedded, 2), iterable(embedded)
    batches = iter(loader)
    loader.set_epoch(5)
    assert list(batches) == list(expected)
    expected.set_epoch(5)
    assert list(loader) == list(expected)


def test_a_dataset_and_a_sampler_have_the_same_order_and_state(embedded: Bucket) -> None:
    whole = list(iterable(embedded))
    assert list(by_index(embedded)) == whole
    first, state = saved(iterable(embedded), 2)
    assert first + list(resumed(by_index(embedded), state)) == whole


def test_a_map_dataset_gets_a_sampler(embedded: Bucket) -> None:
    dataset = AISMapDataset(embedded)
    loader = AISDataLoader(dataset, BATCH, shuffle=True, drop_last=True, collate_fn=names)
    assert isinstance(loader.batch_sampler, AISBatchSampler)
    whole = list(loader)
    assert len(whole) == len(loader) == COUNT // BATCH
    assert list(loader) != whole
    assert list(AISDataLoader(dataset, BATCH, collate_fn=names)) == list(DataLoader(dataset, BATCH, collate_fn=names))
    # As torch has it where batches are not wanted.
    assert [name for name, _ in AISDataLoader(dataset, None)] == NAMES


@pytest.mark.parametrize("workers", [0, 2])
def test_the_last_batch(embedded: Bucket, workers: int) -> None:
    for drop_last, expected in ((True, COUNT // BATCH), (False, -(-COUNT // BATCH))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loader = iterable(embedded, workers, drop_last=drop_last)
            assert len(loader) == len(list(loader)) == expected
    loader = AISDataLoader(AISIterDataset(embedded), None, num_workers=workers)
    assert [name for name, _ in loader] == NAMES
    first, state = saved(loader, 5)
    rest = resumed(AISDataLoader(AISIterDataset(embedded), None), state)
    assert [name for name, _ in [*first, *rest]] == NAMES


def test_the_epoch_reaches_a_sampler_of_torch(embedded: Bucket) -> None:
    dataset = AISMapDataset(embedded)
    sampler: Any = DistributedSampler(dataset, num_replicas=2, rank=0)
    loader = AISDataLoader(dataset, BATCH, sampler=sampler, collate_fn=names)
    loader.set_epoch(3)
    assert sampler.epoch == 3
    assert len(list(loader)) == len(loader) == 3


def test_objects_are_listed_once_for_all_workers(embedded: Bucket) -> None:
    loader = AISDataLoader(AISIterDataset(embedded), BATCH, num_workers=2, collate_fn=names)
    with listings() as seen:
        assert len(list(loader)) == len(list(loader)) == len(loader)
    assert len(seen) == 1


@pytest.mark.parametrize("start", ["spawn"])
def test_workers_that_are_not_forked(embedded: Bucket, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their rank, the loaded place and the epoch reach them."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")

    def make(workers: int, **options: Any) -> AISDataLoader[Any]:
        dataset = AISIterDataset(embedded, shuffle=True)
        return AISDataLoader(dataset, BATCH, num_workers=workers, collate_fn=names, **options)

    whole, again = [], make(0)
    for epoch in (0, 1):
        again.set_epoch(epoch)
        whole.append(list(again))
    first, state = saved(make(0), 1)
    loader = resumed(make(1, multiprocessing_context=start, persistent_workers=True), state)
    assert first + list(loader) == whole[0]
    loader.set_epoch(1)
    assert list(loader) == whole[1]


# refusals


def test_states_that_do_not_fit_are_refused(embedded: Bucket) -> None:
    _, state = saved(iterable(embedded), 2)
    for loader, text in (
        (AISDataLoader(AISIterDataset(embedded, shuffle=True, seed=3), BATCH), "seed was 2 and is 3"),
        (AISDataLoader(AISIterDataset(embedded, seed=2), BATCH), "shuffle was True and is False"),
        (AISDataLoader(AISIterDataset(embedded, shuffle=True, seed=2), 5), "batch_size was 4 and is 5"),
        (AISDataLoader(AISIterDataset(embedded, {embedded: "o00"}, shuffle=True, seed=2), BATCH), "count was 23"),
        (AISDataLoader(Squares(), BATCH), "kind 'workers'"),
    ):
        with pytest.raises(StateMismatchError, match=text):
            loader.load_state_dict(state)
    with pytest.raises(StateMismatchError, match="NoneType"):
        AISDataLoader(Squares(), BATCH).load_state_dict(None)  # type: ignore[arg-type]
    with pytest.raises(StateMismatchError, match="kind 'objects'"):
        iterable(embedded).load_state_dict(AISDataLoader(Squares(), BATCH).state_dict())
    dataset = AISIterDataset(embedded, batch_size=BATCH)
    list(islice(dataset, BATCH + 1))
    with pytest.raises(StateMismatchError, match="num_workers=0"):
        AISDataLoader(AISIterDataset(embedded), BATCH, num_workers=2).load_state_dict(dataset.state_dict())


def test_loaders_that_cannot_be(embedded: Bucket) -> None:
    with pytest.raises(InvalidArgumentError, match="batches of 3"):
        AISDataLoader(AISIterDataset(embedded, batch_size=3), BATCH)
    with pytest.raises(InvalidArgumentError, match="shuffle=True to AISIterDataset"):
        AISDataLoader(AISIterDataset(embedded), shuffle=True)
    dataset = AISMapDataset(embedded)
    loaders: list[AISDataLoader[Any]] = [
        AISDataLoader(dataset, BATCH, sampler=RandomSampler(dataset)),
        AISDataLoader(AISIterDataset(embedded, config=ReadConfig(in_order=False)), BATCH, collate_fn=names),
        AISDataLoader(Plain(), BATCH),
    ]
    if "in_order" in signature(DataLoader).parameters:
        loaders.append(iterable(embedded, 2, in_order=False))
    for loader in loaders:
        assert len(list(loader)) == -(-len(loader.dataset) // BATCH)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match=r"state|in_order"):
            loader.state_dict()


# datasets that know their places themselves


class Plain(IterableDataset[int]):
    """Numbers, without a state."""

    def __len__(self) -> int:
        return 10

    def __iter__(self) -> Iterator[int]:
        return iter(range(10))


class Squares(IterableDataset[Any]):
    """Squares; a worker's are those of its own numbers, and some workers have more of them than others."""

    def __init__(self, count: int = 30, broken: bool = False) -> None:
        self.count, self.broken, self.loaded, self.next = count, broken, 0, 0

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        own = [number for number in range(self.count) if number % (workers + 1) % workers == worker]
        self.next, self.loaded = self.loaded, 0
        for position in range(self.next, len(own)):
            self.next = position + 1
            yield torch.tensor([own[position] ** 2])

    def state_dict(self) -> dict[str, Any]:
        if self.broken:
            raise NotImplementedError("not today")
        return {"kind": "squares", "next": self.next, "comment": "x" * 100}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.next = self.loaded = state["next"]


class Halved(Squares):
    """Goes on with another number of workers, from the start."""

    def redistribute_state(self, states: list[Any], workers: int) -> list[Any]:
        assert len(states) == 2
        return [{"kind": "squares", "next": 1}] * workers


class Even(AISIterDataset):
    """Leaves out every other object; only it knows how many samples come of them."""

    def __iter__(self) -> Iterator[Any]:
        for name, body in super().__iter__():
            if int(name[1:]) % 2 == 0:
                yield name, body


def squares(workers: int, dataset: Squares | None = None, **options: Any) -> AISDataLoader[Any]:
    return AISDataLoader(dataset or Squares(), 3, num_workers=workers, **options)


def numbers_of(batches: Any) -> list[list[int]]:
    return [batch.flatten().tolist() for batch in batches]


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_a_dataset_with_a_state_goes_on_in_order(workers: int) -> None:
    whole = numbers_of(squares(workers))
    assert sorted(number for batch in whole for number in batch) == [number**2 for number in range(30)]
    for taken in (0, 1, 6, 9, len(whole)):
        first, state = saved(squares(workers), taken)
        loader = resumed(squares(workers, persistent_workers=workers > 0), state)
        assert loader.state_dict() == state
        assert numbers_of(first) + numbers_of(loader) == whole


def test_a_dataset_with_a_state_goes_on_twice() -> None:
    whole = numbers_of(squares(2))
    first, state = saved(squares(2), 3)
    loader = resumed(squares(2, persistent_workers=True), state)
    second, state = saved(loader, 4)
    assert numbers_of(first + second) + numbers_of(resumed(squares(2), state)) == whole
    # The same loader begins anew with the first worker.
    assert numbers_of(loader) == whole


def test_a_subclass_that_makes_its_own_samples(embedded: Bucket) -> None:
    def make() -> AISDataLoader[Any]:
        return AISDataLoader(Even(embedded, shuffle=True), 2, num_workers=2, collate_fn=names)

    whole = list(make())
    assert sorted(name for batch in whole for name in batch) == NAMES[::2]
    for taken in (1, 4, len(whole)):
        first, state = saved(make(), taken)
        assert first + list(resumed(make(), state)) == whole


def test_another_number_of_workers_asks_the_dataset() -> None:
    _, state = saved(squares(2), 3)
    with pytest.raises(StateMismatchError, match="2 workers, and the loader has 3"):
        squares(3).load_state_dict(state)
    loader = resumed(squares(3, Halved()), state)
    assert sum(map(len, numbers_of(loader))) == 30 - 3


def test_states_of_many_workers_are_small() -> None:
    _, state = saved(squares(16, Squares(300)), 40)
    assert state["workers"] == 16
    assert len(json.dumps(state)) < 1000


def test_a_dataset_that_cannot_save_trains_all_the_same() -> None:
    for workers in (0, 2):
        loader = squares(workers, Squares(broken=True))
        assert sum(map(len, numbers_of(loader))) == 30
        with pytest.raises((InvalidArgumentError, NotImplementedError), match="not today"):
            loader.state_dict()


def note(worker: int) -> None:
    torch.manual_seed(1000 + worker)


def with_noise(samples: list[Any]) -> Any:
    return torch.cat(samples) * 0 + torch.randint(1 << 30, (1,))


def test_the_users_worker_init_fn_is_called() -> None:
    def first(loader: AISDataLoader[Any]) -> int:
        return int(next(iter(loader))[0])

    expected = torch.randint(1 << 30, (1,), generator=torch.Generator().manual_seed(1000)).item()
    assert first(squares(2, worker_init_fn=note, collate_fn=with_noise)) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="memory is pinned where there is an accelerator")
def test_pinned_memory() -> None:
    for workers in (0, 2):
        loader = squares(workers, pin_memory=True)
        assert all(batch.is_pinned() for batch in loader)


def test_what_travels_can_be_pinned() -> None:
    from torch.utils.data._utils import pin_memory as torch_pinning

    from aistorch.loading.worker_state import Parcel, Sealed

    class Pinnable:
        def pin_memory(self) -> str:
            return "pinned"

    pin: Any = torch_pinning.pin_memory
    state = Sealed({"a": 1})
    assert pin(Parcel(Pinnable(), 3, state)) == Parcel("pinned", 3, state)


# subclasses with an `__iter__` of their own, and samplers of one's own


class Twice(AISIterDataset):
    """Two samples of each object."""

    def __iter__(self) -> Iterator[Any]:
        for name, body in super().__iter__():
            yield name + "/a", body
            yield name + "/b", body


class Held(AISIterDataset):
    """Holds some samples back, in an order that is the same each time; or not."""

    chance: Any = 0

    def __iter__(self) -> Iterator[Any]:
        chance, held = random.Random(self.chance), []
        for sample in super().__iter__():
            held.append(sample)
            if len(held) == 6:
                yield held.pop(chance.randrange(6))
        yield from held


class Unrepeatable(Held):
    """As a shuffle buffer of Python's own random numbers is."""

    chance = None


class WithOwnState(Held):
    """Says itself how far it is: by reading again in each worker."""

    given = loaded = 0

    def __iter__(self) -> Iterator[Any]:
        skip, self.given, self.loaded = self.loaded, self.loaded, 0
        for sample in islice(super().__iter__(), skip, None):
            self.given += 1
            yield sample

    def state_dict(self) -> dict[str, Any]:
        return {"given": self.given}

    def load_state_dict(self, state: Any, strict: bool = True) -> None:
        self.loaded = state["given"]

    def check_state(self, state: Any, strict: bool = True) -> None:
        pass


@pytest.mark.parametrize("kind", [Twice, Held, Even, WithOwnState])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_subclass_that_makes_or_holds_samples_loses_none(embedded: Bucket, kind: Any, workers: int) -> None:
    def make() -> AISDataLoader[Any]:
        return AISDataLoader(kind(embedded, shuffle=True, seed=1), 3, num_workers=workers, collate_fn=names)

    with warnings.catch_warnings():
        warnings.simplefilter("error", AIStorchWarning)
        whole = list(make())
        for taken in (0, 1, 3):
            first, state = saved(make(), taken)
            assert first + list(resumed(make(), state)) == whole


def test_what_is_made_another_time_in_another_way_is_told(embedded: Bucket) -> None:
    def make() -> AISDataLoader[Any]:
        return AISDataLoader(Unrepeatable(embedded), 3, collate_fn=names)

    _, state = saved(make(), 4)
    with pytest.warns(ReplayMismatchWarning, match="batch 4"):
        list(resumed(make(), state))


def test_a_state_of_such_a_subclass_holds_for_as_many_ranks_and_workers(embedded: Bucket) -> None:
    _, state = saved(AISDataLoader(Twice(embedded), 3, num_workers=2, collate_fn=names), 2)
    with pytest.raises(StateMismatchError, match="workers was 2 and is 0"):
        AISDataLoader(Twice(embedded), 3).load_state_dict(state)
    with pytest.raises(StateMismatchError, match="world_size was 1 and is 2"):
        AISDataLoader(Twice(embedded, rank=0, world_size=2), 3, num_workers=2).load_state_dict(state)
    # Its own state would lose what it holds, so there is none.
    with pytest.raises(InvalidArgumentError, match="def load_state_dict"):
        Twice(embedded).state_dict()


class Mine:
    """A batch sampler with a state."""

    def __init__(self, count: int) -> None:
        self.count, self.next, self.loaded = count, 0, 0

    def __len__(self) -> int:
        return -(-self.count // BATCH)

    def __iter__(self) -> Iterator[list[int]]:
        self.next, self.loaded = self.loaded, 0
        while self.next < len(self):
            self.next += 1
            yield list(range(self.count))[::-1][(self.next - 1) * BATCH : self.next * BATCH]

    def state_dict(self) -> dict[str, Any]:
        return {"next": self.next if self.next < len(self) else 0}

    def load_state_dict(self, state: Any) -> None:
        self.loaded = self.next = state["next"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampler_of_ones_own_keeps_its_state(embedded: Bucket, workers: int) -> None:
    def make() -> AISDataLoader[Any]:
        sampler: Any = Mine(COUNT)
        return AISDataLoader(AISMapDataset(embedded), batch_sampler=sampler, num_workers=workers, collate_fn=names)

    whole = list(make())
    assert sorted(name for batch in whole for name in batch) == NAMES
    for taken in (0, 1, 4):  # what was drawn ahead of time does not count
        first, state = saved(make(), taken)
        assert first + list(resumed(make(), state)) == whole


# torchdata


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["iterable", "sampler"])
def test_torchdatas_loader_goes_on(embedded: Bucket, workers: int, kind: str) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def make() -> Any:
        options: dict[str, Any] = {"num_workers": workers, "collate_fn": names}
        if kind == "iterable":
            dataset = AISIterDataset(embedded, shuffle=True, batch_size=BATCH)
            return stateful.StatefulDataLoader(dataset, BATCH, **options)
        by_index = AISMapDataset(embedded)
        sampler = AISBatchSampler(by_index, BATCH, shuffle=True)
        return stateful.StatefulDataLoader(by_index, batch_sampler=sampler, **options)

    whole = list(make())
    assert sorted(name for batch in whole for name in batch) == NAMES
    for taken in (0, 1, 3, 5):
        loader = make()
        first = list(islice(loader, taken))
        state = loader.state_dict()
        other = make()
        other.load_state_dict(state)
        assert first + list(other) == whole
