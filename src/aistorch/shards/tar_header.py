"""One 512-byte header of a TAR, and what it says: ustar, GNU, and the V7 format before them.

The rules are those of POSIX.1-2017 (pax, "ustar Interchange Format") and of GNU tar's manual ("Basic Tar Format");
where these leave something open, those of Python's `tarfile`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import adler32

from aistorch.errors import AIStorchError

BLOCK = 512
MAX_SIZE = (1 << 63) - 1

FILE, CONTIGUOUS, OLD_FILE, SPARSE = ord("0"), ord("7"), 0, ord("S")
LONG_NAME, LONG_LINK = ord("L"), ord("K")
PAX, PAX_GLOBAL, PAX_SOLARIS = ord("x"), ord("g"), ord("X")
FILES = frozenset((FILE, CONTIGUOUS, OLD_FILE, SPARSE))
EXTENDED = frozenset((LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL, PAX_SOLARIS))
HARD_LINK, SYMBOLIC_LINK = b"12"
LINKS = frozenset((HARD_LINK, SYMBOLIC_LINK))
WITHOUT_CONTENT = frozenset(b"3456")
"""Devices, directories and FIFOs, as links: the next header stands behind theirs, whatever size they name."""

_GNU_MAGIC = b"ustar  \0"
_NAME, _SIZE, _CHECKSUM = slice(0, 100), slice(124, 136), slice(148, 156)
_KIND = 156
_LINK = slice(157, 257)
_MAGIC, _PREFIX = slice(257, 265), slice(345, 500)
_DOTS = re.compile(r"(?:\./+)+")


class HeaderError(AIStorchError):
    """A header, or what extends it, says something that it may not. The reader adds shard, member and offset."""


class Header(NamedTuple):
    """What a header says.

    Attributes:
        name: The member's, as the header has it; perhaps cut short, and a longer one stands before it.
        kind: The type flag.
        size: Bytes behind the header, without padding.
        link: What a link leads to, perhaps cut short likewise.
    """

    name: str
    kind: int
    size: int
    link: str = ""


def parse_header(block: bytes) -> Header | None:
    """What a header says; None for a block of zeros, which ends an archive.

    Raises:
        HeaderError: It is no header, or a damaged one.
    """
    if not any(block):
        return None
    check_sum(block)
    kind, size = block[_KIND], number(block[_SIZE], "size")
    if not 0 <= size <= MAX_SIZE:
        raise HeaderError(f"a size of {size} bytes")
    name = until_nul(block[_NAME])
    # In this place GNU's own format keeps times of access.
    prefix = b"" if block[_MAGIC] == _GNU_MAGIC else until_nul(block[_PREFIX])
    if prefix and kind not in (LONG_NAME, LONG_LINK, SPARSE):
        name = prefix + b"/" + name
    return Header(decode(name), kind, size, decode(until_nul(block[_LINK])) if kind in LINKS else "")


def check_sum(block: bytes) -> None:
    """Raises HeaderError where the sum of a header's bytes is not the one that it names."""
    field = block[_CHECKSUM]
    stated = number(field, "checksum")
    counted = byte_sum(block) - byte_sum(field) + len(field) * ord(" ")
    if counted == stated:
        return
    # Some old writers have added up signed characters.
    signed = counted - 256 * sum(byte >= 128 for byte in block[:148] + block[156:])
    if signed != stated:
        raise HeaderError(f"no header of a TAR: its checksum is {stated}, its bytes give {counted}")


def byte_sum(data: bytes) -> int:
    """The sum of up to 512 bytes, ten times as fast as `sum`.

    Adler-32's lower half is 1 + the sum modulo 65521, and 256 bytes cannot reach that.
    """
    return (adler32(data[:256]) & 0xFFFF) + (adler32(data[256:]) & 0xFFFF) - 2


def number(field: bytes, what: str) -> int:
    """A number: octal digits, or in base 256 where the first byte's highest bit is set.

    Raises:
        HeaderError: It is none.
    """
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[0] == 0xFF else 0)
    try:
        return int(until_nul(field).strip() or b"0", 8)
    except ValueError:
        raise HeaderError(f"no {what}: {field!r}") from None


def decimal(text: str, what: str) -> int:
    """A number of a pax record.

    Raises:
        HeaderError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_SIZE):
        raise HeaderError(f"no {what}: {text[:60]!r}")
    return int(text)


def until_nul(field: bytes) -> bytes:
    """The text of a field, which a NUL ends if it is shorter."""
    return field.split(b"\0", 1)[0]


def decode(name: bytes) -> str:
    """A name: UTF-8; bytes that are none are kept as surrogates, as in `os.fsdecode`."""
    return name.decode("utf-8", "surrogateescape")


def clean_name(name: str) -> str:
    """A name without the `./` before it that `tar -C folder .` writes."""
    found = _DOTS.match(name) if name.startswith("./") else None
    return name if found is None else name[found.end() :]
