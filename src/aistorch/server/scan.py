"""What is found in a bucket's folder at start: objects, torn files, and things that somebody else put there."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from aistorch.server.bucket import INFO_FILE, OBJECTS, Bucket, now, object_path
from aistorch.server.object_file import TornObjectError, read_trailer

_log = logging.getLogger(__name__)


def scan_objects(bucket: Bucket, quarantine: Path) -> None:
    """Enters the bucket's objects; torn files are moved to the quarantine.

    Only files that lie in the folder itself are moved. What is reached by a symbolic link belongs to somebody else:
    it counts where it is an object, and else stays where it is, as do folders and whatever else there may be.
    """
    objects = bucket.path / OBJECTS
    if objects.is_dir() and not objects.is_symlink():
        close_to_others(objects)
    for folder in _entries(objects):
        if not os.path.isdir(folder):
            _log.warning("%s is left out: it is no folder of objects", folder.path)
            continue
        linked = objects.is_symlink() or folder.is_symlink()
        if not linked:
            close_to_others(Path(folder.path))
        for file in _entries(Path(folder.path)):
            _scan_object(bucket, file, quarantine, linked=linked or file.is_symlink())


def read_info(path: Path) -> tuple[int, dict[str, Any]]:
    """When a bucket was made, and its properties; a damaged file is as good as none, its objects are what counts."""
    info = path / INFO_FILE
    try:
        known = json.loads(info.read_text())
        created, props = known["created"], known["props"]
        if isinstance(created, int) and isinstance(props, dict):
            return created, props
        error: Exception = TypeError("'created' is a number, 'props' an object")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as caught:
        error = caught
    _log.warning("%s is damaged, the bucket's properties are lost: %s", info, error)
    return now(), {}


def close_to_others(path: Path) -> None:
    """Takes from a file or folder the rights of all but its owner."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            path.chmod(mode & 0o700)
    except OSError as error:
        _log.warning("%s stays open to other users: %s", path, error.strerror)


def _scan_object(bucket: Bucket, file: os.DirEntry[str], quarantine: Path, *, linked: bool) -> None:
    path = Path(file.path)
    try:
        if not os.path.isfile(file):
            raise TornObjectError(f"{path}: no file")
        meta = read_trailer(path)
        if object_path(meta.name) != f"{path.parent.name}/{path.name}":
            raise TornObjectError(f"{path}: holds the object {meta.name!r}, which belongs elsewhere")
    except OSError as error:
        _log.warning("%s is left out: %s", path, error)
        return
    except (TornObjectError, msgspec.DecodeError) as error:
        if linked or not os.path.isfile(file):
            _log.warning("%s; left where it is", error)
            return
        aside = _free(quarantine / path.name)
        _log.warning("%s; moved to %s", error, aside)
        os.replace(path, aside)
        close_to_others(aside)
        return
    bucket.add(meta)
    if not linked and file.stat().st_mode & 0o077:
        close_to_others(path)


def _free(path: Path) -> Path:
    names = itertools.chain((path,), (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)
