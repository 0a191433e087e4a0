"""A sample as users give it, as the files that a shard holds."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, TypeAlias

from aistorch.errors import ArgumentTypeError, InvalidArgumentError
from aistorch.shards.grouping import split_name

Content: TypeAlias = bytes | bytearray | memoryview | str | int
"""What a file of a sample may be given as."""

KEY = "__key__"
"""Under this a mapping holds the sample's key, as webdataset has it."""


def key_and_files(sample: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Key and contents of a sample in webdataset's form; its other `__names__` are no files.

    Raises:
        InvalidArgumentError: There is no key.
    """
    if KEY not in sample:
        raise InvalidArgumentError(f"a sample given as one mapping needs its key under {KEY!r}")
    files = {name: content for name, content in sample.items() if not (name.startswith("__") and name.endswith("__"))}
    return sample[KEY], files


def sample_files(key: str, contents: Mapping[str, Content]) -> list[tuple[str, bytes]]:
    """Name and content of each file of a sample.

    Raises:
        InvalidArgumentError: A reader would not find the sample again under this key, or a file under its extension.
        ArgumentTypeError: A content is neither text, nor bytes, nor an integer.
    """
    check_key(key)
    if not contents:
        raise InvalidArgumentError(f"sample {key!r} has no files")
    return [(_file_name(key, extension), _as_bytes(key, extension, content)) for extension, content in contents.items()]


def check_key(key: str) -> None:
    """See that a key is one that a reader makes of a file's name.

    Raises:
        ArgumentTypeError: It is no string.
        InvalidArgumentError: It cannot be a key; the message says why.
    """
    if not isinstance(key, str):
        raise ArgumentTypeError(f"the key of a sample must be a str, not {type(key).__name__}")
    problem = _problem_of(key)
    if problem:
        raise InvalidArgumentError(f"{key!r} cannot be the key of a sample: it {problem}")


def _problem_of(key: str) -> str:
    parts = key.split("/")
    if not key:
        return "is empty"
    if key.startswith("/"):
        return "begins with '/', and names in a shard are relative"
    if "" in parts:
        return "has a part without a name between or after its '/'"
    if ".." in parts or "." in parts:
        return "has a part '.' or '..', which readers resolve or refuse"
    if "." in parts[-1]:
        return "has a dot in its last part, where a reader takes the extension to begin; write '_' instead"
    return _unwritable(key)


def _unwritable(text: str) -> str:
    if "\0" in text:
        return "holds a NUL character"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "holds characters that UTF-8 cannot express"
    return ""


def _file_name(key: str, extension: str) -> str:
    if not isinstance(extension, str):
        raise ArgumentTypeError(f"sample {key!r}: an extension must be a str, not {type(extension).__name__}")
    name = f"{key}.{extension}"
    problem = _unwritable(extension)
    if not extension:
        problem = "is empty"
    elif extension.startswith("."):
        problem = f"begins with a dot; write {extension.lstrip('.')!r}"
    elif split_name(name) != (key, extension):
        problem = "holds a '/'"
    if problem:
        raise InvalidArgumentError(f"sample {key!r}: {extension!r} cannot be an extension: it {problem}")
    return name


def _as_bytes(key: str, extension: str, content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, bytearray | memoryview):
        return bytes(content)  # which may change as soon as this returns
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Integral) and not isinstance(content, bool):
        return str(int(content)).encode()
    raise ArgumentTypeError(
        f"sample {key!r}: {extension!r} is of type {type(content).__name__}; give bytes, a str (stored as UTF-8) "
        "or an int (stored as decimal digits)"
    )
