"""Methods of the SDK's objects that releases until 1.25 had, and that examples of the plugin's first releases use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aistore.sdk import ArchiveConfig
from aistore.sdk.etl import ETLConfig
from aistore.sdk.obj.object import Object
from aistore.sdk.obj.object_reader import ObjectReader


def _get(self: Object, archpath: str = "", etl_name: str | None = None, **options: Any) -> ObjectReader:
    archive = ArchiveConfig(archpath=archpath) if archpath else None
    return self.get_reader(archive_config=archive, etl=ETLConfig(etl_name), **options)


def _put_content(self: Object, content: bytes) -> Any:
    return self.get_writer().put_content(content)


def _put_file(self: Object, path: str | Path) -> Any:
    return self.get_writer().put_file(path)


_METHODS = {"get": _get, "put_content": _put_content, "put_file": _put_file}


def add_methods() -> list[str]:
    """Add those that the installed SDK lacks; returns their names."""
    missing = [name for name in _METHODS if not hasattr(Object, name)]
    for name in missing:
        setattr(Object, name, _METHODS[name])
    return missing


def remove_methods(names: list[str]) -> None:
    """Remove what was added."""
    for name in names:
        delattr(Object, name)
