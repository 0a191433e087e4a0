"""What a client wants listed, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from aistorch.server.http_errors import BadRequest

MAX_PAGE = 10_000
_REMOTE_MAX_PAGE = 1000
_MOST_DIGITS = 20  # of a number of 64 bits
_UUID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ListFlag(IntFlag):
    """AIStore's bits that change what is listed; it has more, which need no other answer here."""

    CACHED = 1 << 0
    ARCH_DIR = 1 << 3
    NAME_ONLY = 1 << 4
    NAME_SIZE = 1 << 5
    NOT_CACHED = 1 << 9
    NO_RECURSION = 1 << 11


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One page that is asked for.

    Attributes:
        prefix: Names must begin with it.
        after: Names must come behind it (continuation token or `start_after`).
        page_size: Entries at most.
        uuid: The listing's name; the same on each of its pages.
        props: Which properties; the name is always among them.
        flags: See `ListFlag`.
        target: Objects of this target only; empty for all.
    """

    prefix: str
    after: str
    page_size: int
    uuid: str
    props: frozenset[str]
    flags: ListFlag
    target: str

    @classmethod
    def parse(cls, value: Any, *, remote: bool = False) -> ListRequest:
        """Reads the value of a `list` action.

        Args:
            value: The JSON object.
            remote: Whether the bucket is another provider's.

        Raises:
            BadRequest: If something in it is not valid.
        """
        if not isinstance(value, dict):
            raise BadRequest("a list request is an object")
        texts = ("prefix", "continuation_token", "start_after", "uuid", "props", "target")
        prefix, token, start_after, uuid, props, target = (_text(value, key) for key in texts)
        if remote and start_after:
            raise BadRequest("start_after works for ais:// buckets only")
        if uuid and not _UUID.fullmatch(uuid):
            raise BadRequest(f"invalid UUID {uuid!r}")
        if not {".", ".."}.isdisjoint(prefix.split("/")):
            raise BadRequest(f"bad list-objects request: invalid prefix {prefix!r}")
        return cls(
            prefix=prefix.removesuffix("*"),
            after=max(token, start_after),
            page_size=_page_size(value.get("pagesize") or 0, _REMOTE_MAX_PAGE if remote else MAX_PAGE),
            uuid=uuid,
            props=frozenset(map(str.strip, props.split(","))) if props else frozenset(("size", "cached")),
            flags=_flags(value.get("flags") or "0"),
            target=target,
        )

    def wants(self, prop: str) -> bool:
        """Whether entries show a property."""
        if self.flags & ListFlag.NAME_ONLY:
            return False
        return prop in self.props or (prop == "size" and bool(self.flags & ListFlag.NAME_SIZE))


def _text(value: dict[str, Any], key: str) -> str:
    text = value.get(key) or ""
    if not isinstance(text, str):
        raise BadRequest(f"bad list-objects request: {key} is a {type(text).__name__}, a string was expected")
    return text


def _page_size(size: Any, most: int) -> int:
    if not isinstance(size, int) or size < 0:
        raise BadRequest(f"bad list-objects request: invalid pagesize {size!r}")
    return min(size, most) or most


def _flags(flags: Any) -> ListFlag:
    if not isinstance(flags, str) or not flags.isdecimal() or len(flags) > _MOST_DIGITS:
        raise BadRequest(f"bad list-objects request: flags are a decimal number in a string, not {flags!r}")
    return ListFlag(int(flags))
