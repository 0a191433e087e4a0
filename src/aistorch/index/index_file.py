"""The file of a saved index: two lines of text, the columns as they lie in memory, and a digest of it all."""

from __future__ import annotations

import codecs
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from aistorch.errors import IndexFileError
from aistorch.index.columns import target_kind

VERSION = 1
"""Of the form; a reader refuses a higher one than it knows."""

_FIRST_LINE = b"aistorch index "
_ALIGNMENT = 64
_DIGEST = 16
_HEADER_LIMIT = 1 << 24
_PART = 1 << 24

# Wide ones first, so that each lies where its numbers may. Offsets are of 4 or 8 bytes, codes of targets of 2 or 4.
_KINDS = {"sizes": "<i8", "checksums": "<u8", "offsets": "", "sources": "<i4", "targets": "", "blob": "|u1"}

Columns = dict[str, NDArray[Any]]
About = dict[str, list[str]]


def write_columns(path: str | os.PathLike[str], columns: Mapping[str, NDArray[Any]], about: About) -> None:
    """Writes a file under another name and gives it its own when it is complete.

    Args:
        path: The file.
        columns: Those of an index.
        about: What else is to be kept.

    Raises:
        OSError: It cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            _write(file, columns, about)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_columns(path: str | os.PathLike[str]) -> tuple[Columns, About]:
    """The columns, mapped from the file, and what else was kept.

    Raises:
        IndexFileError: The file is none of these, damaged, or of a later version.
        OSError: It cannot be read.
    """
    shown = os.fspath(path)
    with Path(path).open("rb") as file:
        _check_version(file.readline(_ALIGNMENT), shown)
        try:
            about = json.loads(_header(file))
            for name in ("source_urls", "target_ids"):
                if not isinstance(about[name], list) or not all(isinstance(text, str) for text in about[name]):
                    raise TypeError(f"{name} are no list of texts")
            layout = _layout(about.pop("objects"), about.pop("name_bytes"), len(about["target_ids"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IndexFileError(shown, f"its header is damaged ({error!r}). Save the index anew") from error
        start = file.tell()
        end = start + sum(count * np.dtype(kind).itemsize for kind, count in layout.values())
        size = os.fstat(file.fileno()).st_size
        if size != end + _DIGEST:
            raise IndexFileError(shown, f"it has {size} bytes instead of {end + _DIGEST}. Save the index anew")
        content = np.asarray(np.memmap(file, mode="r"))
    if xxhash.xxh3_128_digest(content[:end].data) != content[end:].tobytes():
        raise IndexFileError(shown, "its checksum is wrong, so it is damaged. Save the index anew")
    columns = _columns(content, start, layout)
    if problem := _problem(columns, len(about["source_urls"]), len(about["target_ids"])):
        raise IndexFileError(shown, f"{problem}. Save the index anew")
    return columns, about


def _header(file: BinaryIO) -> bytes:
    line = file.readline(_HEADER_LIMIT)
    if len(line) == _HEADER_LIMIT:
        raise ValueError(f"it has {_HEADER_LIMIT} bytes or more")
    return line


def _problem(columns: Columns, sources: int, targets: int) -> str:
    """What does not fit together in columns that are as they were written; "" where all does."""
    offsets, blob = columns["offsets"], columns["blob"]
    if offsets[0] != 0 or offsets[-1] != len(blob) or (offsets[1:] < offsets[:-1]).any():
        return "its names do not lie one after another"
    for name, least, end in (("sizes", -1, None), ("sources", 0, sources), ("targets", -1, targets)):
        column = columns[name]
        if len(column) and (column.min() < least or (end is not None and column.max() >= end)):
            return f"its {name} are none"
    return "" if _are_texts(offsets, blob) else "a name is no UTF-8"


def _are_texts(offsets: NDArray[Any], blob: NDArray[np.uint8]) -> bool:
    """Whether each name is UTF-8; looked at in parts, since all of it may be large."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    try:
        for start in range(0, len(blob), _PART):
            part = blob[start : start + _PART].tobytes()
            is_ascii &= part.isascii()
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    # The bytes of a character behind its first one begin with the bits 10: no name begins with one.
    return is_ascii or not (blob[offsets[:-1][offsets[:-1] < len(blob)]] & 0xC0 == 0x80).any()


def _write(file: BinaryIO, columns: Mapping[str, NDArray[Any]], about: About) -> None:
    digest = xxhash.xxh3_128()
    layout = _layout(len(columns["sizes"]), len(columns["blob"]), len(about["target_ids"]))
    header = about | {"objects": len(columns["sizes"]), "name_bytes": len(columns["blob"])}
    pieces: list[bytes | memoryview] = [_head(json.dumps(header))]
    pieces += [np.ascontiguousarray(columns[name], dtype=kind).data for name, (kind, _) in layout.items()]
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    file.write(digest.digest())


def _head(header: str) -> bytes:
    """The two lines, as long as the columns' place demands."""
    head = _FIRST_LINE + b"%d\n" % VERSION + header.encode()
    return head + b" " * (-(len(head) + 1) % _ALIGNMENT) + b"\n"


def _check_version(line: bytes, shown: str) -> None:
    number = line[len(_FIRST_LINE) :].strip()
    if not line.startswith(_FIRST_LINE) or not number.isdigit():
        raise IndexFileError(shown, "it is no saved index. Use a file that ObjectIndex.save() has written")
    if int(number) > VERSION:
        raise IndexFileError(
            shown, f"it has version {int(number)}, and this aistorch reads up to {VERSION}. Update aistorch"
        )


def _layout(objects: int, name_bytes: int, targets: int) -> dict[str, tuple[str, int]]:
    """The kind of number in each column and how many there are, in the order of the file."""
    for count in (objects, name_bytes):
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"{count!r} is no number of objects or bytes")
    codes = f"<i{np.dtype(target_kind(targets)).itemsize}"
    kinds = _KINDS | {"offsets": "<u4" if name_bytes < 1 << 32 else "<u8", "targets": codes}
    counts = dict.fromkeys(kinds, objects) | {"offsets": objects + 1, "blob": name_bytes}
    return {name: (kind, counts[name]) for name, kind in kinds.items()}


def _columns(content: NDArray[np.uint8], start: int, layout: Mapping[str, tuple[str, int]]) -> Columns:
    columns: Columns = {}
    for name, (kind, count) in layout.items():
        stop = start + count * np.dtype(kind).itemsize
        column = content[start:stop].view(kind)
        columns[name] = column.astype(column.dtype.newbyteorder("="), copy=False)
        start = stop
    return columns
