"""Damaged and truncated archives: the files before the damage, then an error that says where it is."""

from __future__ import annotations

import tarfile

import pytest

from aistorch.errors import DamagedShardError, ShardError, TruncatedShardError
from aistorch.shards.tar import TarHeaders, TarStream
from aistorch.shards.tar_contents import File
from aistorch.shards.tar_sparse import SPARSE_LIMIT
from tests.support.tars import (
    chunks,
    member,
    pack,
    pax_header,
    pax_record,
    regular,
    sparse_gnu,
    sparse_pax,
    with_field,
)

SHARD = "ais://bucket/shard-0.tar"
FILES = [("d/a.txt", b"a" * 1000), ("d/b.txt", b"b" * 10), ("d/c.txt", b"c" * 3000)]
HEADERS = [0, 1536, 2560]
WHOLE = pack(FILES, tarfile.USTAR_FORMAT)
PLACES = [("d/a.txt", 512, 1512), ("d/b.txt", 2048, 2058), ("d/c.txt", 3072, 6072)]
REAL = member(regular("real.txt", b"abc"), b"abc", tarfile.USTAR_FORMAT) + bytes(1024)


def taken(data: bytes, size: int = 1 << 20) -> tuple[list[File], ShardError | None]:
    """Files, and the error that ended them."""
    stream, found = TarStream(SHARD), []
    try:
        for part in chunks(data, range(0, len(data), size)):
            found += stream.feed(part)
        stream.close()
    except ShardError as error:
        return found, error
    return found, None


def names(found: list[File]) -> list[str]:
    return [name for name, _, _ in found]


@pytest.mark.parametrize("size", [64, 1000, 1 << 20])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("at", [0, 99, 124, 150, 156, 260, 511])
def test_a_damaged_header_is_told_after_the_files_before_it(number: int, at: int, size: int) -> None:
    position = HEADERS[number] + at
    data = WHOLE[:position] + bytes([WHOLE[position] ^ 0x41]) + WHOLE[position + 1 :]
    found, error = taken(data, size)
    assert names(found) == [name for name, _ in FILES[:number]]
    assert isinstance(error, DamagedShardError)
    assert (error.shard, error.offset) == (SHARD, HEADERS[number])
    assert SHARD in str(error)


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_a_header_can_change_unnoticed(bit: int) -> None:
    for at in range(512):
        data = WHOLE[:at] + bytes([WHOLE[at] ^ 1 << bit]) + WHOLE[at + 1 :]
        found, error = taken(data)
        # A checksum written in another way ("006123" as " 06123") is no damage.
        assert error is not None or 148 <= at < 156, at
        assert found == (taken(WHOLE)[0] if error is None else [])


def test_an_archive_that_ends_too_early_gives_its_whole_files() -> None:
    for cut in range(len(WHOLE) - 1024):
        found, error = taken(WHOLE[:cut])
        assert names(found) == [name for name, _, stop in PLACES if stop <= cut]
        if cut in HEADERS[1:]:
            assert error is None  # without an end marker, an archive may be complete here
        else:
            assert isinstance(error, TruncatedShardError), cut
            within = [name for name, start, stop in PLACES if start <= cut <= -(-stop // 512) * 512]
            assert (error.member, error.offset) == ("".join(within), cut)


@pytest.mark.parametrize("size", [100, 1 << 20])
def test_headers_without_contents_end_too_early_as_well(size: int) -> None:
    headers = TarHeaders(SHARD)
    found = [place[0] for part in chunks(WHOLE[:4000], range(0, 4000, size)) for place in headers.feed(part)]
    assert found == [name for name, _ in FILES]
    with pytest.raises(TruncatedShardError, match=r"ais://bucket/shard-0.tar .*'d/c.txt' at byte 4000"):
        headers.close()


def test_an_end_marker_that_is_cut_short_is_one() -> None:
    for missing in range(1, 513):
        assert names(taken(WHOLE[:-missing])[0]) == [name for name, _ in FILES]
        assert taken(WHOLE[:-missing])[1] is None


def test_nothing_at_all_is_no_archive() -> None:
    with pytest.raises(TruncatedShardError, match="it is empty"):
        TarStream(SHARD).close()


def test_an_error_is_raised_again_by_every_later_call() -> None:
    stream = TarStream(SHARD)
    assert len(stream.feed(WHOLE[:1536] + b"x" * 512)) == 1
    for _ in range(2):
        with pytest.raises(DamagedShardError):
            stream.feed(WHOLE)
        with pytest.raises(DamagedShardError):
            stream.close()


HEADER = WHOLE[:512]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\1no archive" * 100, "no checksum"),
        (b"\1" + b"0" * 1023, "its checksum is 0"),
        (with_field(HEADER, 124, b"12x45678901\0"), "no size"),
        (with_field(HEADER, 124, b"-0000000001\0"), "a size of -1 bytes"),
        (with_field(HEADER, 124, b"\xff" * 12), "a size of -1 bytes"),
        (with_field(HEADER, 124, b"\x80" + b"\xff" * 11), "a size of"),
        (with_field(HEADER, 124, b"\x80" + (1 << 62).to_bytes(11, "big")), "more than there is memory for"),
        (with_field(with_field(HEADER, 156, b"x"), 124, b"77777777777\0"), "an extended header of"),
        (pax_header(b"nonsense") + REAL, "no pax record"),
        (pax_header(b"5 a=b\n") + REAL, "no pax record"),
        (pax_header(b"99 path=x\n") + REAL, "no pax record"),
        (pax_header(b"0 path=x\n") + REAL, "no pax record"),
        (pax_header(pax_record("size", "-3")) + REAL, "no size"),
        (pax_header(pax_record("size", "9" * 30)) + REAL, "no size"),
        (pax_header(pax_record("path", "x")) + bytes(1024), "where a file has been announced"),
        (pax_header(pax_record("path", "x")) * 2 + REAL, "two headers announce one file"),
        (sparse_pax("s", 9, [(0, b"x")], "0.1")[:1024] + sparse_pax("s", 9, [(0, b"x")], "1.0"), "two headers"),
        (sparse_pax("s", 9, [(0, b"x")], "0.1")[:1024] + sparse_gnu("s", 9, [(0, b"x")]), "two maps"),
        (pax_header(pax_record("path", "x"), b"g") + REAL, "one 'path' for all files"),
        (with_field(pax_header(bytes(5)), 156, b"L") + REAL, "a long name without a character"),
        (pax_header(pax_record("GNU.sparse.major", "2")) + REAL, "of a version"),
        (sparse_gnu("s", SPARSE_LIMIT + 1, [(0, b"x")]), "a sparse file of"),
        (sparse_gnu("s", 10, [(0, b"12345678901")]), "a sparse file of 10 bytes"),
        (sparse_gnu("s", 50, [(10, b"12345"), (12, b"12345")]), "bytes at 12"),
        (sparse_pax("s", 50, [(10, b"12345")], "0.1").replace(b"map=10,5", b"map=10,4"), "5 are stored"),
        (sparse_pax("s", 50, [(10, b"12345")], "0.1").replace(b"map=10,5", b"map=10,x"), "no sparse"),
        (sparse_pax("s", 50, [(10, b"12345")], "1.0").replace(b"1\n10\n5\n", b"x\n10\n5\n"), "no map"),
        (sparse_pax("s", 50, [(10, b"12345")], "1.0").replace(b"1\n10\n5\n", b"9\n10\n5\n"), "sparse"),
    ],
)
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_what_the_format_does_not_allow_is_damage(data: bytes, problem: str, size: int) -> None:
    found, error = taken(data, size)
    assert found == []
    assert isinstance(error, DamagedShardError)
    assert problem in str(error)
    assert error.offset is not None


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_an_archive_that_ends_in_an_extended_header_ends_too_early(kind: bytes) -> None:
    payload = pax_record("path", "x" * 600)
    data = WHOLE[:-1024] + with_field(pax_header(payload)[:512], 156, kind) + payload[:550]
    found, error = taken(data)
    assert len(found) == 3
    assert isinstance(error, TruncatedShardError)


def test_an_archive_that_ends_behind_a_long_name_ends_too_early() -> None:
    data = WHOLE[:-1024] + pax_header(pax_record("path", "x" * 600))
    assert isinstance(taken(data)[1], TruncatedShardError)
