"""Templates of object names: `shard-{0000..0099..2}.tar`, several ranges if need be, or a bare prefix."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from aistorch.server.http_errors import BadRequest

MAX_NAMES = 10_000_000
"""As in AIStore: more names than this are refused."""

_RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})(?:\.\.(\d{1,18}))?\}", re.ASCII)


class Template:
    """A parsed template.

    Args:
        text: The template. Numbers have at least as many digits as the shorter end of their range. `*` is the
            empty prefix.

    Attributes:
        prefix: What all names start with, where it has no range; else None.

    Raises:
        BadRequest: It has braces that are no range, a range that goes backwards, or too many names.
    """

    def __init__(self, text: str) -> None:
        # Split yields text, start, end, step, text, start ... with step None where there is none.
        pieces = _RANGE.split(text)
        self._texts: list[str] = pieces[::4]
        if any("{" in piece or "}" in piece for piece in self._texts):
            raise BadRequest(f"invalid template {text!r}: a range is written {{0001..0100}} or {{0001..0100..2}}")
        self._ranges = [
            _numbers(text, start, end, step)
            for start, end, step in zip(pieces[1::4], pieces[2::4], pieces[3::4], strict=True)
        ]
        self._widths = [min(len(a), len(b)) for a, b in zip(pieces[1::4], pieces[2::4], strict=True)]
        if math.prod(map(len, self._ranges)) > MAX_NAMES:
            raise BadRequest(f"template {text!r} has more than {MAX_NAMES} names")
        self.prefix = None if self._ranges else text.removesuffix("*")

    def names(self) -> Iterator[str]:
        """All names, the last range counting fastest."""
        for numbers in itertools.product(*self._ranges):
            parts = [self._texts[0]]
            for number, width, text in zip(numbers, self._widths, self._texts[1:], strict=True):
                parts += [f"{number:0{width}d}", text]
            yield "".join(parts)


def _numbers(text: str, start: str, end: str, step: str | None) -> range:
    first, last, by = int(start), int(end), int(step or 1)
    if first > last or by == 0:
        raise BadRequest(f"invalid template {text!r}: {first} to {last} in steps of {by} is no range")
    return range(first, last + 1, by)
