"""What the DataPipes of this package are made of: torch's own, or what says what to use where torch has none."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aistorch.errors import ArgumentTypeError, DataPipesUnavailableError

T = TypeVar("T", covariant=True)
C = TypeVar("C", bound=type)

try:
    from torch.utils.data import IterDataPipe as IterDataPipe
    from torch.utils.data.datapipes.utils.common import StreamWrapper as StreamWrapper

    HAS_DATAPIPES = True
except ImportError:
    HAS_DATAPIPES = False

    if not TYPE_CHECKING:

        class IterDataPipe(Generic[T]):
            """Stands in for torch's class, so that a class derived from it can be defined and named, but not made."""

            def __init_subclass__(cls) -> None:
                cls.__new__ = _refuse

        class StreamWrapper:
            """Stands in for torch's class."""


def _refuse(cls: type, *_: Any, **__: Any) -> Any:
    raise DataPipesUnavailableError(
        f"{cls.__name__} is a DataPipe, and this torch has none: AISIterDataset(client_url=..., urls_list=[...]) lists "
        "and loads the same objects"
    )


def functional_form(*names: str) -> Callable[[C], C]:
    """Lets every DataPipe be followed by the decorated class, as a method of these names."""

    def register(cls: C) -> C:
        if HAS_DATAPIPES:
            _let_torchdata_go_first()
            for name in names:
                IterDataPipe.functions.pop(name, None)
                IterDataPipe.register_datapipe_as_function(name, cls)
        return cls

    return register


def checked_source(source_datapipe: Any, owner: str) -> Any:
    """The source of a DataPipe.

    Raises:
        ArgumentTypeError: It is a URL and not a list of them, or nothing that can be iterated.
    """
    if isinstance(source_datapipe, str | bytes) or not isinstance(source_datapipe, Iterable):
        shown = f"[{source_datapipe!r}]" if isinstance(source_datapipe, str) else "['ais://bucket/prefix']"
        raise ArgumentTypeError(
            f"{owner}: source_datapipe must be a list of URLs or a datapipe that yields them, "
            f"not {type(source_datapipe).__name__}: write {shown}"
        )
    return source_datapipe


def _let_torchdata_go_first() -> None:
    # Before release 0.10 it has pipes of the same names, for SDKs of the time, and refuses names that are taken.
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("torchdata.datapipes.iter")
