"""What stands before a header and extends it: pax records and GNU's long names."""

from __future__ import annotations

import re

from aistorch.shards.tar_header import LONG_LINK, LONG_NAME, Header, HeaderError, decode, until_nul

EXTENDED_LIMIT = 1 << 24
"""Bytes of one extended header, at most: it is held in memory."""

_RECORD = re.compile(rb"(\d{1,9}) ([^=]+)=")
_OF_INTEREST = ("path", "size", "GNU.sparse.")
_REPEATED = ("GNU.sparse.offset", "GNU.sparse.numbytes")


# Python and webdataset write an `mtime` before each file; such headers are passed over in one step.
only_times = re.compile(rb"(?:\d+ [acm]time=-?[\d.]+\n)+").fullmatch
"""Whether a pax header speaks of nothing but times."""


def extended_records(header: Header, payload: bytes) -> dict[str, str]:
    """What an extended header says of names, sizes and holes; a GNU long name is the record "path".

    Raises:
        HeaderError: It is damaged.
    """
    if header.kind == LONG_NAME:
        return {"path": decode(until_nul(payload))}
    if header.kind == LONG_LINK or only_times(payload):
        return {}
    return {keyword: value for keyword, value in _parse_pax(payload).items() if keyword.startswith(_OF_INTEREST)}


def _parse_pax(payload: bytes) -> dict[str, str]:
    """The records of a pax header, each `LENGTH KEYWORD=VALUE` and a line end, LENGTH being that of all of it.

    Keywords that occur once for each region of a sparse file have all their values, separated by commas.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(payload) and payload[at]:  # some writers count the padding as well
        found = _RECORD.match(payload, at)
        stop = at + int(found[1]) if found else 0
        if found is None or not found.end() < stop <= len(payload) or payload[stop - 1] != ord("\n"):
            raise HeaderError(f"no pax record: {payload[at : at + 60]!r}")
        keyword, value = decode(found[2]), decode(payload[found.end() : stop - 1])
        if keyword in _REPEATED and keyword in records:
            value = f"{records[keyword]},{value}"
        records[keyword] = value
        at = stop
    return records
