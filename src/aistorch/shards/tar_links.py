"""Links in an archive: a second name of a file (GNU tar makes them by itself), or a way to one."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from aistorch.shards.tar_header import HARD_LINK, clean_name

T = TypeVar("T")
# Links that lead to links, one after another; as many as Linux follows.
_MOST = 40


class Link(NamedTuple):
    """What stands in the place of a file's content.

    Attributes:
        text: As the archive has it, for errors.
        target: The whole name, in the archive, of what it leads to; "" where that lies outside.
    """

    text: str
    target: str

    @classmethod
    def of(cls, name: str, kind: int, text: str) -> Link:
        """That of a member of this name; a symbolic one begins where the member lies."""
        if kind == HARD_LINK:
            return cls(text, clean_name(text))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), text))
        return cls(text, "" if path.startswith(("/", "..")) else path)


def follow(link: Link, members: Mapping[str, T | Link]) -> T | None:
    """What a link leads to in the end; None where that is not in the archive, or they go round in circles."""
    for _ in range(_MOST):
        found = members.get(link.target)
        if not isinstance(found, Link):
            return found
        link = found
    return None


def is_folder(link: Link, names: Mapping[str, object]) -> bool:
    """Whether a link leads to a folder of which something is in the archive."""
    inside = "" if link.target == "." else f"{link.target}/"
    return bool(link.target) and any(name.startswith(inside) for name in names)
