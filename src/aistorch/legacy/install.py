"""Lets the modules of `aistore.pytorch` be those of this package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, TracebackType
from typing import Any

import aistore

from aistorch.legacy.names import NAMES, PLUGIN
from aistorch.legacy.sdk import add_methods, remove_methods


def install_as_aistore_pytorch() -> Installation:
    """Make every module of `aistore.pytorch` have the classes of this package under the plugin's names.

    For the whole process and those forked from it, until `uninstall()` of what it returns is called, or its `with`
    block ends. Modules of the plugin that were imported before are replaced; a name that a script has taken out of them
    (`from aistore.pytorch import AISMapDataset`) keeps its meaning there, so this comes first.

        aistorch.install_as_aistore_pytorch()
        from aistore.pytorch import AISMapDataset  # is aistorch.AISMapDataset

    The iterable datasets share samples as the plugin's do: among the workers of a `DataLoader`, not among ranks.

    The SDK's objects have the methods again that scripts of the plugin's first releases call: `put_content`, `put_file`
    and `get`.

    A second call changes nothing. Worker processes that are spawned import the script, and with it this call, again;
    for scripts without it there is `python -m aistorch.legacy script.py`.
    """
    first = _state.begin()
    return Installation(first)


def uninstall() -> None:
    """Undo it: the plugin's modules are the SDK's own again; without effect where nothing is installed."""
    _state.end()


class Installation:
    """What `install_as_aistore_pytorch` did; a context manager that undoes it.

    Args:
        first: Whether it was this call that installed.
    """

    def __init__(self, first: bool) -> None:
        self._first = first

    def uninstall(self) -> None:
        """Undo it."""
        uninstall()

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._first:
            uninstall()


class _Finder(MetaPathFinder, Loader):
    """Finds and makes the plugin's modules."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The module of that name, if it is one of the plugin's."""
        if fullname not in NAMES:
            return None
        spec = ModuleSpec(fullname, self, origin=__name__, is_package=fullname == PLUGIN)
        if fullname == PLUGIN:
            # So that modules which only a later release of the plugin has are found.
            real = PathFinder.find_spec(PLUGIN, aistore.__path__)
            spec.submodule_search_locations = list(real.submodule_search_locations or ()) if real else []
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module its names; each is imported when it is asked for."""
        names = NAMES[module.__name__]

        def look_up(name: str) -> Any:
            if name not in names:
                raise AttributeError(f"module {module.__name__!r} (aistorch's) has no attribute {name!r}")
            value = vars(module)[name] = getattr(import_module(names[name]), name)
            return value

        vars(module).update(
            __doc__=f"The names of `{module.__name__}`, from aistorch.",
            __all__=sorted(names),
            __getattr__=look_up,
            __dir__=lambda: sorted({*vars(module), *names}),
        )
        if "AISFileLister" in names:
            # The methods `.list_files_by_ais()` and `.load_files_by_ais()` of DataPipes come with the import.
            import_module(names["AISFileLister"])


class _State:
    """What is installed, and what was there before."""

    def __init__(self) -> None:
        self._finder = _Finder()
        self._displaced: dict[str, ModuleType] = {}
        self._redirected: list[tuple[ModuleType, str, Any]] = []
        self._added: list[str] = []

    def begin(self) -> bool:
        """Installs; returns False where it was so already."""
        if self._finder in sys.meta_path:
            return False
        self._displaced = {name: module for name in NAMES if (module := sys.modules.pop(name, None)) is not None}
        sys.meta_path.insert(0, self._finder)
        self._added = add_methods()
        for name, real in self._displaced.items():
            self._redirect(real, import_module(name))
        return True

    def end(self) -> None:
        """Puts back what was there."""
        if self._finder not in sys.meta_path:
            return
        sys.meta_path.remove(self._finder)
        remove_methods(self._added)
        for name in NAMES:
            sys.modules.pop(name, None)
        vars(aistore).pop("pytorch", None)
        for real, name, value in self._redirected:
            setattr(real, name, value)
        for name, real in self._displaced.items():
            parent, _, child = name.rpartition(".")
            sys.modules[name] = real
            setattr(sys.modules[parent], child, real)
        self._redirected, self._displaced = [], {}

    def _redirect(self, real: ModuleType, ours: ModuleType) -> None:
        """Who holds a module of the plugin finds our classes in it."""
        for name in NAMES[real.__name__]:
            if hasattr(real, name) and hasattr(ours, name):
                self._redirected.append((real, name, getattr(real, name)))
                setattr(real, name, getattr(ours, name))


_state = _State()
