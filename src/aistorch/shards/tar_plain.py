"""The headers that make up almost every shard, many at once: of plain files, folders, and times in pax headers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aistorch.shards.places import Places
from aistorch.shards.tar_extended import only_times
from aistorch.shards.tar_header import BLOCK, FILE, PAX, WITHOUT_CONTENT, clean_name, decode, until_nul
from aistorch.shards.tar_reader import Chunk

# Fewer headers are taken sooner one by one.
_AT_LEAST = 8
_ZERO, _DOT, _SPACE = b"0. "
# Of the fields of a header. A name that fills its field, or has a prefix, is none for this way.
_NAME, _NAME_END, _SIZE_END = slice(0, 100), 99, 135
_SUM, _SUM_DIGITS, _KIND, _PREFIX = slice(148, 156), slice(148, 155), 156, 345
_NOT_ENDING: NDArray[np.uint8] = np.array(0xFF ^ _SPACE, np.uint8)
_SUM_WEIGHTS = 8.0 ** np.arange(5, -1, -1)


def take_plain(chunk: Chunk, data: bytes, pos: int, base: int, found: Places) -> int:
    """Adds the files of a chunk up to the first header that is out of the ordinary.

    Args:
        chunk: Bytes of an archive.
        data: The same, in a form whose slices are `bytes`; it may be longer.
        pos: Where in the chunk a header begins.
        base: Where in the archive the chunk begins.
        found: What is added to.

    Returns:
        Where the next header begins, perhaps beyond the chunk; `pos` if nothing has been taken.
    """
    at, sizes, end = _walk(data, pos, len(chunk))
    if len(at) < _AT_LEAST:
        return pos
    blocks = np.frombuffer(chunk, np.uint8, (len(chunk) - pos) // BLOCK * BLOCK, pos).reshape(-1, BLOCK)
    headers = blocks[(np.array(at) - pos) // BLOCK]
    count = _count_good(headers)
    if count < len(at):
        at, sizes, headers, end = at[:count], sizes[:count], headers[:count], at[count]
    is_file = headers[:, _KIND] == FILE
    if not is_file.all():
        numbers = np.flatnonzero(is_file)
        headers = headers[numbers]
        at, sizes = [at[number] for number in numbers], [sizes[number] for number in numbers]
    found.add_plain(_names(headers), [base + BLOCK + start for start in at], sizes)
    return end


def _walk(data: bytes, pos: int, stop: int) -> tuple[list[int], list[int], int]:
    """Where such headers begin and how many bytes follow each, as if they were sound; and where the rest begins."""
    at: list[int] = []
    sizes: list[int] = []
    while (body := pos + BLOCK) <= stop:
        try:
            size = int(data[pos + 124 : pos + 135], 8)
        except ValueError:
            break
        kind = data[pos + _KIND]
        if kind != FILE:
            if kind in WITHOUT_CONTENT:
                size = 0
            elif kind != PAX or body + size > stop or not only_times(data, body, body + size):
                break
        if size < 0:
            break
        at.append(pos)
        sizes.append(size)
        pos = body + size + (-size & 511)  # to the next block
    return at, sizes, pos


def _count_good(headers: NDArray[np.uint8]) -> int:
    """How many of these come before one that is damaged, or written in another way. Their sums are overwritten."""
    good = (headers[:, _NAME_END] | headers[:, _PREFIX] | _not_ending(headers[:, _SIZE_END])) == 0
    stated = _stated_sums(headers[:, _SUM_DIGITS])
    headers[:, _SUM] = _SPACE  # as it is while the sum is formed
    good &= np.add.reduce(headers, axis=1, dtype=np.uint32) == stated
    return len(good) if good.all() else int(good.argmin())


def _stated_sums(fields: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The numbers in six or seven octal digits each; negative where there are others."""
    digits = fields - np.uint8(_ZERO)  # what is no digit wraps round to a large number
    sums: NDArray[np.float64] = digits[:, :6] @ _SUM_WEIGHTS
    goes_on = _not_ending(fields[:, 6]) != 0
    if goes_on.any():
        sums = np.where(goes_on, 8 * sums + digits[:, 6], sums)
        sums[goes_on & (digits[:, 6] >= 8)] = -1
    if digits[:, :6].max() >= 8:
        sums[(digits[:, :6] >= 8).any(axis=1)] = -1
    return sums


def _not_ending(column: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is not 0 where there stands something else than a NUL or a space, which end a number."""
    return column & _NOT_ENDING


def _names(headers: NDArray[np.uint8]) -> list[str]:
    raw: list[bytes] = headers[:, _NAME].copy().view("S100")[:, 0].tolist()
    names = decode(b"\0".join(raw)).split("\0")
    if len(names) != len(raw):  # bytes follow the NUL that ends a name
        names = [decode(until_nul(name)) for name in raw]
    if (headers[:, 0] == _DOT).any():
        names = [clean_name(name) for name in names]
    return names
