"""How an error leaves a DataLoader's worker as what it was.

A DataLoader sends the class of an error and the text of its traceback to the main process, and raises `class(text)`
there. Of an error with several arguments nothing but the class is left by that. So the class carries the rest: in a
worker, each error gets a class of its own, which pickles as something that takes the text and returns the error. Such a
class derives from the public one and looks like it; outside workers there is none.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from inspect import Signature, signature
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class WorkerTraceback(Exception):
    """Where in a worker an error was raised: the `__cause__` of the error in the main process.

    Args:
        text: The traceback, as the DataLoader gives it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class ErrorClass(type):
    """The metaclass of errors that leave a worker as what they were."""

    def __call__(cls: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Makes the error."""
        error = super().__call__(*args, **kwargs)  # type: ignore[misc]
        if _in_worker():
            with suppress(Exception):  # of a user's class that pickle cannot take apart: it goes as others do
                _give_own_class(error)
        return error  # type: ignore[no-any-return]

    @property
    def __signature__(cls) -> Signature:
        """The constructor's arguments, for `help`, which would show those of `__call__` here."""
        _, *others = signature(cls.__init__).parameters.values()  # type: ignore[misc]
        return Signature(others)


class _Recipe(NamedTuple):
    """What makes an error again: a call, as `pickle` has it, and what it has for `args` in the end."""

    make: Callable[..., Exception]
    arguments: tuple[Any, ...]
    args: tuple[Any, ...]


class _OwnClass(ErrorClass):
    """The metaclass of the classes that single errors have in a worker.

    Attributes:
        public: The class that the error was made of.
        recipe: What makes the error again.
        state: The attributes of the error, not a copy. The error itself would keep the frames of its traceback alive.
    """

    public: type[Exception]
    recipe: _Recipe
    state: dict[str, Any]

    def __call__(cls, text: str) -> Exception:  # type: ignore[override]
        """What a thread of the same worker calls that raises the error of another one."""
        return _made_again(cls.public, cls.recipe, cls.state, text)


def _in_worker() -> bool:
    """Whether this process is a DataLoader's worker; one that never imported torch is none."""
    worker_info = getattr(sys.modules.get("torch.utils.data"), "get_worker_info", None)
    return worker_info is not None and worker_info() is not None


def _give_own_class(error: Exception) -> None:
    public = type(error)
    reduced: Any = error.__reduce_ex__(2)
    names = {"__module__": public.__module__, "__qualname__": public.__qualname__, "__doc__": public.__doc__}
    own: Any = _OwnClass(public.__name__, (public,), names | {"__slots__": (), "__reduce_ex__": _reduce_as_public})
    own.public, own.recipe, own.state = public, _Recipe(reduced[0], reduced[1], error.args), vars(error)
    error.__class__ = own


def _reduce_as_public(error: Any, protocol: Any) -> tuple[Any, ...]:
    """What an error in a worker is for `pickle` and `copy`: one of the public class."""
    own: Any = type(error)
    made, *others = super(own, error).__reduce_ex__(protocol)
    return (own.public if made is own else made, *others)


def _reduce(own: _OwnClass) -> str | tuple[Any, ...]:
    """What the class of a single error is for `pickle`."""
    if not _pickles(own.recipe):
        return _by_class, (own.public,)
    state = {name: value for name, value in own.state.items() if _pickles(value)}
    return _Arrived, (own.public, pickle.dumps((own.recipe, state)))


copyreg.pickle(_OwnClass, _reduce)


def _by_class(public: type[Exception]) -> type[Exception]:
    """The public class: what a DataLoader sends of any error."""
    return public


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # pickling runs code of whatever there is
        return False
    return True


class _Arrived:
    """Stands in the main process where a DataLoader calls the class of an error with a text, and returns the error.

    Args:
        public: The class.
        pickled: The recipe and the attributes.
    """

    def __init__(self, public: type[Exception], pickled: bytes) -> None:
        self._public, self._pickled = public, pickled
        self.__name__ = public.__name__  # a DataLoader puts it into the text

    def __call__(self, text: str) -> Exception:
        try:
            recipe, state = pickle.loads(self._pickled)  # noqa: S301 - of a worker of our own, as the batches are
        except Exception:  # unpickling runs code of whatever there is
            return self._public(text)
        return _made_again(self._public, recipe, state, text)


def _made_again(public: type[Exception], recipe: _Recipe, state: Mapping[str, Any], text: str) -> Exception:
    try:
        error = recipe.make(*recipe.arguments)
    except Exception:  # a user's class, whose constructor wants other arguments than it hands to its base
        error = public.__new__(public, *recipe.args)
    error.args = recipe.args
    vars(error).update(state)
    error.__cause__ = WorkerTraceback(text)
    return error
