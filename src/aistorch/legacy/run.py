"""Running a script in which `aistore.pytorch` is this package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from aistorch.legacy.install import install_as_aistore_pytorch

SCRIPT_VARIABLE = "AISTORCH_LEGACY_SCRIPT"
MAIN_MODULE = "aistorch.legacy.script"


def run_script(script: str, arguments: Sequence[str]) -> None:
    """Run a script as `python script` would, but for what `aistore.pytorch` is.

    The script's module gets the name of `aistorch.legacy.script` as the one that it was imported by: worker processes
    which are spawned import their main module by that name, and so come through here, too.
    """
    os.environ[SCRIPT_VARIABLE] = os.path.realpath(script)
    sys.argv = [script, *arguments]
    module = ModuleType("__main__")
    module.__spec__ = find_spec(MAIN_MODULE)
    sys.modules["__main__"] = module
    execute(vars(module))


def execute(namespace: dict[str, Any]) -> None:
    """Execute the script that is being run, in the namespace of a main module."""
    path = os.environ[SCRIPT_VARIABLE]
    install_as_aistore_pytorch()
    if namespace["__name__"] == "__main__" and not getattr(sys.flags, "safe_path", False):  # Python 3.11
        sys.path[0] = os.path.dirname(path)
    if "__file__" in namespace:  # it was imported by its name, or run by `python -m`
        sys.argv[0] = path
    for name in [name for name in namespace if not name.startswith("__")]:
        del namespace[name]
    namespace.update(__file__=path, __doc__=None, __package__=None, __cached__=None)
    code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
    exec(code, namespace)  # noqa: S102  # what the user asked for
