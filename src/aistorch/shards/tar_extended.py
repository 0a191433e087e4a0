"""What stands before a header and extends it: pax records and GNU's long names."""

from __future__ import annotations

import re

from aistorch.shards.tar_header import LONG_LINK, LONG_NAME, PAX_GLOBAL, Header, HeaderError, decode, until_nul

EXTENDED_LIMIT = 1 << 24
"""Bytes of one extended header, at most: it is held in memory."""

_RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")
_OF_INTEREST = re.compile(r"path|linkpath|size|GNU\.sparse\..*").fullmatch
_REPEATED = ("GNU.sparse.offset", "GNU.sparse.numbytes")


# Python and webdataset write an `mtime` before each file; such headers are passed over in one step.
only_times = re.compile(rb"(?:\d+ [acm]time=-?[\d.]+\n)+").fullmatch
"""Whether a pax header speaks of nothing but times."""


def extended_records(header: Header, payload: bytes) -> dict[str, str]:
    """What an extended header says of names, links, sizes and holes; all names are the record "path".

    Raises:
        HeaderError: It is damaged.
    """
    if header.kind in (LONG_NAME, LONG_LINK):
        name = decode(until_nul(payload))
        if not name:
            raise HeaderError("a long name without a character")
        return {"path" if header.kind == LONG_NAME else "linkpath": name}
    if only_times(payload):
        return {}
    records = {keyword: value for keyword, value in _parse_pax(payload).items() if _OF_INTEREST(keyword)}
    if "GNU.sparse.name" in records:
        records["path"] = records.pop("GNU.sparse.name")
    if records and header.kind == PAX_GLOBAL:
        raise HeaderError(f"one {next(iter(records))!r} for all files that follow")
    return records


def add_records(records: dict[str, str], said: dict[str, str]) -> None:
    """Adds what another header says of the same file.

    Raises:
        HeaderError: Both speak of its name, its size or its holes: there was a file between them.
    """
    if said and records and _subjects(said) & _subjects(records):
        raise HeaderError(f"two headers announce one file, as {records} and as {said}")
    records.update(said)


def _subjects(records: dict[str, str]) -> set[str]:
    return {keyword[: len("GNU.sparse")] for keyword in records}


def _parse_pax(payload: bytes) -> dict[str, str]:
    """The records of a pax header, each `LENGTH KEYWORD=VALUE` and a line end, LENGTH being that of all of it.

    Keywords that occur once for each region of a sparse file have all their values, separated by commas.
    """
    records: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    at = 0
    while at < len(payload) and payload[at]:  # some writers count the padding as well
        found = _RECORD.match(payload, at)
        stop = at + int(found[1]) if found else 0
        if found is None or not found.end() < stop <= len(payload) or payload[stop - 1] != ord("\n"):
            raise HeaderError(f"no pax record: {payload[at : at + 60]!r}")
        keyword, value = decode(found[2]), decode(payload[found.end() : stop - 1])
        if keyword in _REPEATED:
            repeated.setdefault(keyword, []).append(value)
        records[keyword] = value
        at = stop
    return records | {keyword: ",".join(values) for keyword, values in repeated.items()}
