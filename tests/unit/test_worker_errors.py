"""Errors in a DataLoader's workers: in the main process each is what it was, however workers are started."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import subprocess
import sys
import traceback
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch.utils.data
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader, Dataset, IterableDataset

from aistorch import AISDataLoader
from aistorch.errors import AIStorchError, AIStorchWarning, InvalidArgumentError, ReadError, ServerError, ShardError
from aistorch.worker_errors import WorkerTraceback
from tests.unit.test_errors import EXAMPLES

ERRORS = [example for example in EXAMPLES if isinstance(example, AIStorchError)]


class OwnError(ReadError):
    """A user's own, with a constructor of its own."""

    def __init__(self, line: int, *, file: str = "") -> None:
        super().__init__(file, 2, ["why"], 500, "hint")
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        return _own_error, (self.line, self.name)


def _own_error(line: int, file: str) -> OwnError:
    return OwnError(line, file=file)


class SimpleError(AIStorchError):
    """A user's own, whose constructor cannot be called with its `args`."""

    def __init__(self, number: int, text: str) -> None:
        self.number, self.text = number, text
        super().__init__(f"{number}: {text}")


class Raising(Dataset[Any]):
    """Raises error number `index`, made anew, by a user's function below another one."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        # Pickled, since a spawned worker would get them as they are, and not made in the worker.
        self.errors = [pickle.dumps(error) for error in errors]

    def __len__(self) -> int:
        return len(self.errors)

    def __getitem__(self, index: int) -> Any:
        error = pickle.loads(self.errors[index])
        try:
            raise error
        except type(error) as seen:  # handlers in the worker work as everywhere
            if isinstance(error, AIStorchError):
                seen.step = index
            raise


class RaisingInTurn(IterableDataset[Any]):
    def __init__(self, errors: Sequence[Exception]) -> None:
        self.items = Raising(errors)

    def __iter__(self) -> Iterator[Any]:
        yield self.items[0]


class RaisingCollate:
    def __init__(self, errors: Sequence[Exception]) -> None:
        self.items = Raising(errors)

    def __call__(self, samples: list[int]) -> Any:
        return self.items[samples[0]]


def loaders() -> list[Any]:
    try:
        from torchdata.stateful_dataloader import StatefulDataLoader  # type: ignore[import-untyped]
    except ImportError:
        return [DataLoader, AISDataLoader]
    return [DataLoader, AISDataLoader, StatefulDataLoader]


def next_error(batches: Iterator[Any]) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is looked at by the caller
        next(batches)
    return raised.value.with_traceback(None)  # the traceback would keep loader and workers alive


def assert_arrived(error: Exception, expected: Exception) -> None:
    assert type(error) is type(expected)
    assert str(error) == str(expected)
    assert error.args == expected.args
    attributes = dict(vars(error))
    assert isinstance(attributes.pop("step"), int)  # what was added in the worker
    assert attributes == vars(expected)
    assert isinstance(error.__cause__, WorkerTraceback)
    assert "in __getitem__" in str(error.__cause__)
    assert "in DataLoader worker process 0" in str(error.__cause__)


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("loader", loaders())
def test_every_error_arrives_as_what_it_was(loader: Any, start: str) -> None:
    expected = [*ERRORS, OwnError(3, file="ais://b/o")]
    batches = iter(loader(Raising(expected), batch_size=None, num_workers=1, multiprocessing_context=start))
    for example in expected:
        assert_arrived(next_error(batches), example)


@pytest.mark.parametrize("loader", loaders())
@pytest.mark.parametrize("where", ["iterable", "collate_fn"])
def test_errors_of_iterable_datasets_and_collate_functions_arrive_too(loader: Any, where: str) -> None:
    if where == "iterable":
        made = loader(RaisingInTurn(ERRORS[-1:]), batch_size=2, num_workers=1, multiprocessing_context="fork")
    else:
        collate = RaisingCollate(ERRORS[-1:])
        made = loader([0, 1], batch_size=2, num_workers=1, multiprocessing_context="fork", collate_fn=collate)
    assert_arrived(next_error(iter(made)), ERRORS[-1])


def test_other_errors_arrive_as_a_dataloader_sends_them() -> None:
    warned = [example for example in EXAMPLES if isinstance(example, AIStorchWarning)]
    errors = [ValueError("of Python"), *warned]
    batches = iter(DataLoader(Raising(errors), batch_size=None, num_workers=1, multiprocessing_context="fork"))
    for example in errors:
        error = next_error(batches)
        assert type(error) is type(example)
        assert str(example) in str(error)


# In a process that takes itself for a worker.


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes this process a worker until `undo` is called."""
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: "a worker's")
    return monkeypatch


def sent(error: Exception) -> ExceptionWrapper:
    """What a worker sends, as it arrives."""
    try:
        raise error
    except Exception:
        return pickle.loads(pickle.dumps(ExceptionWrapper(where="in DataLoader worker process 0")))  # type: ignore[no-any-return, no-untyped-call]


def arrived(wrapped: ExceptionWrapper) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        wrapped.reraise()  # type: ignore[no-untyped-call]
    return raised.value


def test_in_a_worker_an_error_looks_like_one_of_its_class(worker: pytest.MonkeyPatch) -> None:
    error = ReadError("ais://b/o", 3)
    with pytest.raises(ReadError) as raised:
        raise error
    assert raised.value is error
    assert (type(error).__name__, type(error).__module__) == ("ReadError", "aistorch.errors")
    text = "".join(traceback.format_exception(error))
    assert text.rstrip().endswith("aistorch.errors.ReadError: ais://b/o could not be read after 3 attempts")
    assert repr(error) == repr(ReadError("ais://b/o", 3))


def test_outside_workers_errors_are_of_their_class_itself() -> None:
    assert all(type(type(error)).__name__ == "ErrorClass" for error in ERRORS)
    assert type(ReadError("ais://b/o")) is ReadError
    assert ReadError("ais://b/o").__cause__ is None


def test_an_error_copied_or_sent_by_a_user_is_of_the_public_class(worker: pytest.MonkeyPatch) -> None:
    error = ShardError("ais://b/s.tar", "m", 512, "p")
    pickled, copied = pickle.dumps(error), copy.copy(error)
    assert isinstance(copied, ShardError)
    worker.undo()
    again = pickle.loads(pickled)
    assert type(again) is ShardError
    assert (again.member, again.offset, again.__cause__) == ("m", 512, None)
    assert type(copy.deepcopy(error)) is ShardError


def test_notes_and_attributes_that_came_later_arrive(worker: pytest.MonkeyPatch) -> None:
    error = ReadError("ais://b/o")
    error.step, error.lock = 7, iter([]).__next__  # type: ignore[attr-defined]
    if sys.version_info >= (3, 11):
        error.add_note("in epoch 3")
    vars(error)["unpicklable"] = lambda: None
    wrapped = sent(error)
    worker.undo()
    seen: Any = arrived(wrapped)
    assert seen.step == 7
    assert not hasattr(seen, "unpicklable")
    assert sys.version_info < (3, 11) or seen.__notes__ == ["in epoch 3"]


def test_a_class_that_pickle_cannot_make_again_arrives(worker: pytest.MonkeyPatch) -> None:
    wrapped = sent(SimpleError(1, "a"))
    worker.undo()
    seen = arrived(wrapped)
    assert type(seen) is SimpleError
    assert (str(seen), seen.number, seen.text) == ("1: a", 1, "a")


def test_an_error_that_cannot_be_pickled_arrives_as_a_dataloader_sends_it(worker: pytest.MonkeyPatch) -> None:
    wrapped = sent(ServerError("refused", url=lambda: ""))  # type: ignore[arg-type]
    worker.undo()
    seen = arrived(wrapped)
    assert type(seen) is ServerError
    assert "refused" in str(seen)
    assert "worker process 0" in str(seen)


def test_a_thread_of_a_worker_may_raise_it_again(worker: pytest.MonkeyPatch) -> None:
    try:
        raise ReadError("ais://b/o", 3)
    except ReadError:
        wrapped = ExceptionWrapper(where="in a thread")  # type: ignore[no-untyped-call]
    seen = arrived(wrapped)
    assert isinstance(seen, ReadError)
    assert (seen.name, seen.attempts) == ("ais://b/o", 3)
    assert "in a thread" in str(seen.__cause__)


def test_classes_of_single_errors_do_not_pile_up(worker: pytest.MonkeyPatch) -> None:
    gc.collect()
    before = len(InvalidArgumentError.__subclasses__())
    for _ in range(100):
        arrived(sent(InvalidArgumentError("x")))
    gc.collect()
    assert len(InvalidArgumentError.__subclasses__()) == before


def test_an_error_in_a_worker_is_freed_without_the_garbage_collector(worker: pytest.MonkeyPatch) -> None:
    """It holds the frames of its traceback, and with them the samples of a batch."""
    gc.disable()
    try:
        error = ReadError("ais://b/o")
        gone = weakref.ref(error)
        del error
        assert gone() is None
    finally:
        gc.enable()


def test_the_arguments_are_shown() -> None:
    assert list(inspect.signature(ReadError).parameters) == ["name", "attempts", "causes", "status_code", "hint"]
    assert list(inspect.signature(OwnError).parameters) == ["line", "file"]


def test_errors_do_not_import_torch() -> None:
    code = "import sys, aistorch.errors as e; e.ReadError('n'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
