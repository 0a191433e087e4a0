"""TAR archives made for tests, the sparse ones by hand, and the view that Python's `tarfile` has of any."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, TypeVar

from aistorch.shards.tar import TarStream
from aistorch.shards.tar_contents import NO_RANGE, File

Found = TypeVar("Found")
Regions = Sequence[tuple[int, bytes]]

_EACH = ("offset", "numbytes")
TarFormat = Literal[0, 1, 2]
FORMATS: list[TarFormat] = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def pack(
    files: Iterable[tuple[str, bytes]], tar_format: TarFormat = tarfile.PAX_FORMAT, mtime: float = 0, end: bool = True
) -> bytes:
    """An archive of regular files."""
    return archive([(regular(name, content, mtime), content) for name, content in files], tar_format, end=end)


def archive(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], tar_format: TarFormat = tarfile.PAX_FORMAT, *, end: bool = True
) -> bytes:
    """An archive of these members, with or without an end marker."""
    blocks = b"".join(member(info, content, tar_format) for info, content in members)
    return blocks + bytes(1024) if end else blocks


def member(info: tarfile.TarInfo, content: bytes = b"", tar_format: TarFormat = tarfile.PAX_FORMAT) -> bytes:
    """Headers and padded content of one member."""
    return info.tobuf(tar_format, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


def regular(name: str, content: bytes, mtime: float = 0) -> tarfile.TarInfo:
    info = special(name, tarfile.REGTYPE)
    info.size, info.mtime = len(content), mtime
    return info


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """A member of a kind that has no content."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def view(data: bytes) -> list[File]:
    """Regular files as `tarfile` sees them, without a leading `./`."""
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as opened:
        return [
            (
                re.sub(r"^(\./+)+", "", info.name),
                opened.extractfile(info).read(),  # type: ignore[union-attr]
                NO_RANGE if info.issparse() else info.offset_data,
            )
            for info in opened
            if info.isreg()
        ]


def chunks(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data, divided at these places."""
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    return [data[start:stop] for start, stop in pairwise(bounds)]


def read(data: bytes, cuts: Iterable[int] = (), shard: str = "ais://b/s.tar") -> list[File]:
    """Regular files as `TarStream` sees them, the data coming in chunks."""
    return fed(TarStream(shard), chunks(data, cuts))


def fed(reader: TarStream, parts: Iterable[bytes]) -> list[File]:
    found = [file for part in parts for file in reader.feed(part)]
    reader.close()
    return found


def checksummed(block: bytes) -> bytes:
    """A header with the checksum that it should have."""
    blank = block[:148] + b" " * 8 + block[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def with_field(block: bytes, start: int, value: bytes) -> bytes:
    """A header with something else at one place, and the right checksum."""
    return checksummed(block[:start] + value + block[start + len(value) :])


def expanded(size: int, regions: Regions) -> bytes:
    """What a sparse file contains."""
    content = bytearray(size)
    for offset, data in regions:
        content[offset : offset + len(data)] = data
    return bytes(content)


def sparse_gnu(name: str, size: int, regions: Regions) -> bytes:
    """A sparse file in GNU's old format: four regions in the header, 21 in each further block."""
    stored = b"".join(data for _, data in regions)
    entries = [b"%011o\0%011o\0" % (offset, len(data)) for offset, data in regions]
    blocks = [entries[at : at + 21] for at in range(4, len(entries), 21)]
    header = regular(name, stored).tobuf(tarfile.GNU_FORMAT)
    header = with_field(header, 156, b"S")
    header = with_field(header, 386, b"".join(entries[:4]).ljust(96, b"\0") + bytes([bool(blocks)]) + b"%011o\0" % size)
    more = b"".join(
        b"".join(block).ljust(504, b"\0") + bytes([number < len(blocks) - 1]) + bytes(7)
        for number, block in enumerate(blocks)
    )
    return header + more + stored + bytes(-len(stored) % 512)


def sparse_pax(name: str, size: int, regions: Regions, version: str) -> bytes:
    """A sparse file in one of the forms that GNU tar writes with pax headers."""
    stored = b"".join(data for _, data in regions)
    numbers = [(str(offset), str(len(data))) for offset, data in regions]
    listed = [number for region in numbers for number in region]
    if version == "1.0":
        lines = "".join(f"{number}\n" for number in (str(len(regions)), *listed)).encode()
        stored = lines + bytes(-len(lines) % 512) + stored
        records = [("major", "1"), ("minor", "0"), ("name", name), ("realsize", str(size))]
    elif version == "0.1":
        records = [("size", str(size)), ("numblocks", str(len(regions))), ("name", name), ("map", ",".join(listed))]
    else:
        records = [("size", str(size)), ("numblocks", str(len(regions)))]
        records += [(what, number) for region in numbers for what, number in zip(_EACH, region, strict=True)]
    shown = name if version == "0.0" else "GNUSparseFile.0/cut"
    payload = b"".join(pax_record(f"GNU.sparse.{what}", value) for what, value in records)
    return pax_header(payload) + member(regular(shown, stored), stored, tarfile.USTAR_FORMAT)


def pax_record(keyword: str, value: str) -> bytes:
    text = f" {keyword}={value}\n".encode()
    length = len(text) + 1
    while len(str(length)) + len(text) != length:
        length += 1
    return str(length).encode() + text


def pax_header(payload: bytes, kind: bytes = b"x") -> bytes:
    """An extended header with just these bytes."""
    header = with_field(regular("PaxHeaders/x", payload).tobuf(tarfile.USTAR_FORMAT), 156, kind)
    return header + payload + bytes(-len(payload) % 512)


def outcome(read_all: Callable[[], Found]) -> Found | type[Exception]:
    """What is returned, or the class of what is raised."""
    try:
        return read_all()
    except Exception as error:
        return type(error)
