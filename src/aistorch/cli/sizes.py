"""Sizes as people write them."""

from __future__ import annotations

import re

import typer

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """Bytes of a size such as `256MB` (millions), `1.5GiB` (powers of 1024) or `1000000`.

    Raises:
        typer.BadParameter: It is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found["binary"] and not found["prefix"]):
        raise typer.BadParameter(f"{text!r} is no size; write 256MB, 1GiB or a number of bytes")
    unit = 1024 if found["binary"] else 1000
    return int(float(found["number"]) * unit ** _POWERS[found["prefix"].lower()])


def show_size(size: int) -> str:
    """A size for people: `12.3 MB`."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
