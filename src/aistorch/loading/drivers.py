"""Which framework is reading a dataset at this moment, and what it does itself.

Some frameworks deal the samples of a dataset to the ranks themselves. What they are called and which of their classes
do so stands in `aistorch.integrations`, one file each. This is the one place of the data path that asks there; it
imports nothing of a framework, and looks only at what the process has imported already.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from aistorch.errors import AIStorchWarning
from aistorch.integrations import accelerate, lightning, transformers

_INTEGRATIONS = (accelerate, lightning, transformers)
_MODULES = {module: integration for integration in _INTEGRATIONS for module in integration.MODULES}


def outer_rank_split() -> str:
    """What shares the samples among ranks itself and is reading them now; "" where it is up to the dataset.

    To be asked where an iteration begins, where a length is asked for, and where a dataset is pickled for workers that
    are spawned: the framework's object is among the callers then. In workers it is so, too: they iterate its wrapper
    around the dataset, or were forked below the object that started them.

    Returns:
        The name of the class, such as `accelerate.data_loader.IterableDatasetShard`.
    """
    return _among_callers("SHARE_AMONG_RANKS")


def counts_iterations() -> str:
    """What sets the epoch to the number of its own iterations and is calling now; "" where there is no such thing."""
    return _among_callers("COUNT_ITERATIONS")


def inner_batch_sampler(batch_sampler: Any) -> Any:
    """The batch sampler itself, where a framework has put an object of its own around it."""
    return lightning.predicted_batches(batch_sampler) or batch_sampler


def leave_as_it_is(loader: Any, *, has_state: bool) -> None:
    """Marks a loader as one that no framework must share among ranks.

    Args:
        loader: The loader.
        has_state: Whether its place can be saved.
    """
    accelerate.leave_as_it_is(loader, has_state=has_state)


def batches_of(loader: Any, batches: Iterator[Any], remainder: int) -> Iterator[Any]:
    """The batches of one iteration as the framework expects them that has prepared the loader.

    Args:
        loader: The loader.
        batches: Its batches.
        remainder: How many samples the last batches of all ranks have, those left out that were repeated to make ranks
            even; 0 where nothing was repeated, -1 where it is not known.
    """
    return accelerate.batches_of(loader, batches, remainder)


def _among_callers(role: str) -> str:
    methods = _methods(tuple(map(sys.modules.get, _MODULES)), role)
    frame = inspect.currentframe() if methods else None
    while frame is not None:
        found = methods.get(id(frame.f_code))
        if found is not None and found[0] is frame.f_code:
            return found[1]
        frame = frame.f_back
    return ""


@cache
def _methods(modules: tuple[ModuleType | None, ...], role: str) -> dict[int, tuple[CodeType, str]]:
    """The methods of the classes that play a role, by the identity of their code, since hashing code takes long.

    Args:
        modules: Those of `_MODULES` that have been imported, None for others.
        role: Which of the integrations' tuples of names.
    """
    found: dict[int, tuple[CodeType, str]] = {}
    for module, integration in zip(modules, _MODULES.values(), strict=True):
        if module is None:
            continue
        for name in getattr(integration, role):
            found |= {id(code): (code, f"{module.__name__}.{name}") for code in _codes(module, name)}
    return found


def _codes(module: ModuleType, name: str) -> Iterator[CodeType]:
    found = getattr(module, name, None)
    if found is None:
        warnings.warn(
            f"{module.__name__} of this release has no {name}: whether it shares samples among ranks itself cannot be "
            "told. Use an AISDataLoader, which shares them the same way in every framework",
            AIStorchWarning,
            stacklevel=2,
        )
    for member in vars(found).values() if found else ():
        function = member.fget if isinstance(member, property) else member
        if isinstance(function, FunctionType):
            yield inspect.unwrap(function).__code__
