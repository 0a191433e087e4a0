"""Every public class, method and argument of the plugin exists here and accepts the same call."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest

import aistorch
from aistorch.legacy.names import PLUGIN

REAL = pytest.importorskip(PLUGIN)
MODULES = sorted(path.stem for path in Path(REAL.__path__[0]).glob("*.py") if path.stem != "__init__")
# What subclasses call or replace, though its name is not a public one.
HOOKS = ("_reset_iterator", "_create_objects_iter", "_create_objects_list", "_get_worker_iter_info", "_obj_list")
BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def defined() -> Iterator[tuple[str, str, Any]]:
    for name in MODULES:
        module = importlib.import_module(f"{PLUGIN}.{name}")
        for public, value in vars(module).items():
            if getattr(value, "__module__", None) == module.__name__ and not public.startswith("_"):
                yield name, public, value


DEFINED = list(defined())


def ours(module: str, name: str) -> Any:
    with aistorch.install_as_aistore_pytorch():
        return getattr(importlib.import_module(f"{PLUGIN}.{module}"), name)


def check_call(theirs: Any, mine: Any) -> None:
    """Whatever can be given to `theirs` can be given to `mine`, in the same place or by the same name."""
    wanted = list(inspect.signature(theirs).parameters.values())
    given = inspect.signature(mine).parameters
    names = list(given)
    for position, parameter in enumerate(wanted):
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            assert any(other.kind is parameter.kind for other in given.values())
            continue
        assert parameter.name in given, parameter.name
        mine_too = given[parameter.name]
        if parameter.kind in BY_POSITION:
            assert names[position] == parameter.name
            assert mine_too.kind in BY_POSITION
        if parameter.default is not Parameter.empty:
            assert mine_too.default is not Parameter.empty, parameter.name
    for extra in list(given.values()):
        if extra.name not in {parameter.name for parameter in wanted}:
            optional = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
            assert extra.default is not Parameter.empty or extra.kind in optional, extra.name


def members(kind: type) -> list[str]:
    special = ("__len__", "__getitem__", "__getitems__", "__iter__")
    return [name for name in vars(kind) if not name.startswith("_") or name in (*special, *HOOKS)]


@pytest.mark.parametrize(("module", "name", "theirs"), DEFINED, ids=[f"{module}.{name}" for module, name, _ in DEFINED])
def test_the_same_call_is_accepted(module: str, name: str, theirs: Any) -> None:
    mine = ours(module, name)
    if inspect.isroutine(theirs):
        check_call(theirs, mine)
        return
    if not inspect.isclass(theirs):
        assert type(mine) is type(theirs)
        return
    check_call(theirs, mine)
    for member in members(theirs):
        value = inspect.getattr_static(theirs, member)
        assert hasattr(mine, member), member
        if inspect.isfunction(value):
            check_call(value, getattr(mine, member))
        elif isinstance(value, property):
            assert isinstance(inspect.getattr_static(mine, member), property)
        elif inspect.isclass(value):
            # Called by position alone: its first argument is named like a built-in type there.
            assert len(inspect.signature(getattr(mine, member)).parameters) == len(inspect.signature(value).parameters)


def test_defaults_are_the_plugins() -> None:
    """Where they are plain values, so that the same call means the same."""
    for module, name, theirs in DEFINED:
        if not callable(theirs):
            continue
        mine = inspect.signature(ours(module, name)).parameters
        for parameter in inspect.signature(theirs).parameters.values():
            if isinstance(parameter.default, bool | int | float | str):
                assert mine[parameter.name].default == parameter.default, (name, parameter.name)


def test_bases_are_the_plugins() -> None:
    """What is derived from one of its classes there is so here: `isinstance` says the same."""
    for module, name, theirs in DEFINED:
        if inspect.isclass(theirs):
            mine = ours(module, name)
            for base in theirs.__mro__[1:]:
                where, _, inner = base.__module__.rpartition(".")
                expected = ours(inner, base.__name__) if where == PLUGIN else base
                assert issubclass(mine, expected), (name, base)
