"""Mutated shards give files or a typed error: no other exception, no hang, no wrong bytes.

`python -m tests.support.fuzz_shards --count 100000` goes through that many, and names the seed of the first that fails;
`--first SEED --count 1` shows that one again. What is held against each mutated archive:

- Only a `ShardError` may be raised, and naming the shard.
- How the archive is cut into chunks changes nothing, neither files nor error.
- The content of each file is what stands at its offset in the archive.
- Files whose headers nobody touched, and all before them, are read as in the archive that was mutated.
- As far as both come, Python's `tarfile` sees the same files.
- A header pass sees the same names, offsets and sizes as the reading of contents.
- A compressed bomb, mutated or not, comes in pieces of about 1 MiB, and no file larger than it may be is begun.
- A compressed shard that is read to its end without an error is the one that was compressed.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import sys
import tarfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from aistorch.config import ShardLimits
from aistorch.errors import DuplicateMemberError, ScatteredSampleError, ShardError, TrailingDataWarning
from aistorch.shards.compression import PIECE, decompressor_for
from aistorch.shards.grouping import Grouper
from aistorch.shards.limits import Limits
from aistorch.shards.tar import Entry, TarHeaders, TarStream
from aistorch.shards.tar_contents import NO_RANGE, File, Files, TarContents
from aistorch.shards.tar_header import clean_name
from aistorch.shards.tar_links import Link
from aistorch.shards.tar_write import member_head
from tests.support.tars import (
    checksummed,
    chunks,
    member,
    pax_header,
    pax_record,
    regular,
    sparse_gnu,
    sparse_pax,
    special,
)

SHARD = "ais://bucket/mutated.tar"
SECONDS = 10.0
"""Of CPU: more than any archive here may take."""

Outcome = tuple[list[File], str]


def _member(rng: random.Random, number: int) -> bytes:
    """The blocks of a member of any kind."""
    kind = rng.randrange(8)
    content = rng.randbytes(rng.choice([0, 1, 60, 511, 512, 513, 1500]))
    folder = rng.choice(["", "./", "train/", "ordner-ä/", "lengthy/" * 20])
    info = regular(f"{folder}{number // 2:04}.{'jpg' if number % 2 else 'cls'}", content, rng.choice([0, 1.5]))
    if kind < 3:
        return member(info, content, rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    if kind == 3:
        return member(regular(f"{number:04}.txt", content), content, tarfile.USTAR_FORMAT)
    if kind == 4:
        return member(special(f"other-{number}", rng.choice([tarfile.DIRTYPE, tarfile.SYMTYPE]), "target"))
    if kind == 5:
        return pax_header(pax_record("comment", "of all"), b"g")
    holes = [(100 * at, rng.randbytes(7)) for at in range(rng.choice([1, 5, 30]))]
    size = holes[-1][0] + rng.choice([7, 600])
    if kind == 6:
        return sparse_gnu(f"{number:04}.bin", size, holes)
    return sparse_pax(f"{number:04}.bin", size, holes, rng.choice(["0.0", "0.1", "1.0"]))


def _plain_member(rng: random.Random, number: int) -> bytes:
    """A small file with an ordinary header, in a third of the cases with a pax header of times before it."""
    info = regular(f"{number // 2:04}.{'jpg' if number % 2 else 'cls'}", rng.randbytes(rng.choice([0, 5, 600])))
    info.mtime = rng.choice([0, 1, 1.5])
    return member(info, rng.randbytes(info.size), tarfile.PAX_FORMAT)


@cache
def original(number: int) -> tuple[bytes, tuple[int, ...]]:
    """One of the archives that are mutated, and where its members begin."""
    rng = random.Random(number)
    if rng.randrange(3):
        members = [_member(rng, place) for place in range(rng.randrange(3, 9))]
    else:  # so many plain headers in a row are taken together
        members = [_plain_member(rng, place) for place in range(rng.randrange(9, 20))]
        members.insert(rng.randrange(20), _member(rng, 40))
    starts = [0]
    for block in members:
        starts.append(starts[-1] + len(block))
    return b"".join(members) + bytes(rng.choice([0, 512, 1024, 10240])), tuple(starts)


def mutate(rng: random.Random, data: bytes) -> tuple[bytes, int]:
    """The archive with something wrong, and the first byte that is not as before."""
    at = rng.randrange(len(data))
    block = at // 512 * 512
    length = rng.choice([1, 2, 8, 100, 512, 1024])

    def put(start: int, old: int, new: bytes) -> tuple[bytes, int]:
        return data[:start] + new + data[start + old :], start

    def repaired(start: int, new: bytes) -> tuple[bytes, int]:
        changed = data[block : block + 512]
        return put(block, 512, checksummed(changed[:start] + new + changed[start + len(new) :])[:512])

    numbers = [b"\x80" + rng.randbytes(11), b"%011o\0" % rng.randrange(1 << 33), b"%-12o" % rng.randrange(3000)]
    mutations: list[Callable[[], tuple[bytes, int]]] = [
        lambda: put(at, 1, bytes([data[at] ^ 1 << rng.randrange(8)])),
        lambda: put(at, length, rng.randbytes(length)),
        lambda: put(block, 512, rng.choice([bytes(512), b"\xff" * 512, rng.randbytes(512)])),
        lambda: put(at, len(data), b""),
        lambda: put(at, length, b""),
        lambda: put(block, 512, b""),
        lambda: put(at, 0, rng.randbytes(length)),
        lambda: put(block, 0, data[block : block + 512 * rng.randrange(1, 4)]),
        lambda: repaired(rng.randrange(512), rng.randbytes(rng.choice([1, 4, 12]))),
        lambda: repaired(124, rng.choice(numbers)),
        lambda: repaired(156, rng.choice([bytes([kind]) for kind in b"\x000123567LKxgXSVD"])),
        lambda: repaired(rng.choice([386, 398, 482, 483]), rng.choice(numbers)),
        lambda: put(at, 1, rng.choice([b"0", b"9", b" ", b"=", b"\n", b",", b"-", b"\0", b"\xff"])),
    ]
    return rng.choice(mutations)()


def read_tar(parts: list[bytes]) -> Outcome:
    """Files, and what ended them: the class of an error, or nothing."""
    stream, found = TarStream(SHARD), []
    try:
        for part in parts:
            found += stream.feed(part)
        stream.close()
    except ShardError as error:
        return found, f"{type(error).__name__} {error}"
    finally:
        group(Grouper(SHARD, "shard"), found)
        group(Grouper(SHARD), found)
    return found, ""


def group(grouper: Grouper, found: list[File]) -> None:
    try:
        samples = grouper.feed(Files.of(found)) + grouper.close()
    except (DuplicateMemberError, ScatteredSampleError):
        return
    assert len({key for key, _ in samples}) == len(samples)


def read_headers(parts: list[bytes]) -> list[Entry]:
    headers = TarHeaders(SHARD)
    found: list[Entry] = []
    try:
        for part in parts:
            found += [Entry.of(place) for place in headers.feed(part) if not isinstance(place[3], Link)]
    except ShardError:
        pass
    return found


def tarfile_view(data: bytes) -> list[File]:
    """As many files as `tarfile` sees, whatever ends them."""
    found: list[File] = []
    # It raises all kinds of errors, and goes round in circles where a size is negative.
    with (
        suppress(Exception),
        tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as opened,
    ):
        for info in opened:
            if not 0 <= info.size <= len(data):
                break
            if info.isreg():
                content = opened.extractfile(info).read()  # type: ignore[union-attr]
                if len(content) != info.size:
                    break
                found.append((clean_name(info.name), content, NO_RANGE if info.issparse() else info.offset_data))
    return found


def check_tar(seed: int) -> bool:
    """One mutated archive; whether it was refused."""
    rng = random.Random(seed)
    intact, starts = original(rng.randrange(200))
    data, changed = mutate(rng, intact)
    whole, ended = read_tar([data])
    cuts = [rng.randrange(len(data) + 1) for _ in range(rng.choice([1, 3, 20]))]
    assert read_tar(chunks(data, cuts)) == (whole, ended), "other chunks, another outcome"
    for name, content, offset in whole:
        assert offset == NO_RANGE or data[offset : offset + len(content)] == content, f"wrong bytes in {name!r}"
    untouched = intact[: max(start for start in starts if start <= changed)]
    before = read_tar([untouched])[0]
    assert whole[: len(before)] == before, "a file before the damage is missing or another one"
    entries = read_headers(chunks(data, cuts))
    seen = [(name, offset, len(content)) for name, content, offset in whole]
    assert [tuple(entry) for entry in entries][: len(seen)] == seen, "a header pass sees something else"
    check_against_tarfile(data, whole)
    return bool(ended)


def check_against_tarfile(data: bytes, found: list[File]) -> None:
    for ours, theirs in zip(found, tarfile_view(data), strict=False):
        # Of a long name, tarfile reads the padding as well, up to a NUL; GNU's times of access it takes for a folder.
        own, seen = (name.encode("utf-8", "surrogateescape") for name in (ours[0], theirs[0]))
        named = seen.startswith(own) or seen.endswith(b"/" + own)
        same = named and theirs[1:] == ours[1:]
        assert same, f"tarfile sees {theirs[0]!r}, {len(theirs[1])} bytes, where we see {ours[0]!r}"


COMPRESSIONS: list[Callable[[bytes], bytes]] = [
    gzip.compress,
    lambda data: lz4.frame.compress(data, content_checksum=True),
    zstandard.ZstdCompressor(write_checksum=True).compress,
]


def check_compressed(seed: int) -> bool:
    """One compressed shard that was mutated; whether it was refused."""
    rng = random.Random(seed)
    intact, starts = original(rng.randrange(200))
    compress = rng.choice(COMPRESSIONS)
    frames = [compress(part) for part in chunks(intact, [rng.choice(starts)])]
    data, _ = mutate(rng, b"".join(frames))
    stream, plain, found = TarStream(SHARD), b"", 0
    try:
        decompressor = decompressor_for(data, SHARD)
        for part in chunks(data, [rng.randrange(len(data) + 1) for _ in range(3)]):
            for piece in decompressor.feed(part):
                plain += piece
                found += len(stream.feed(piece))
        decompressor.close()
        stream.close()
    except ShardError as error:
        return error.shard == SHARD
    # Nobody can tell from whole frames that there were more, or fewer; and zeros are an archive without files.
    for frame in frames:
        data = data.replace(frame, b"")
    assert plain == intact or not data or not found, "wrong bytes, and no error"
    return False


@cache
def bomb(number: int) -> bytes:
    """Little that a lot comes of: one file, files of one sample, samples, or zeros."""
    rng = random.Random(number)
    size = rng.choice([0, 1 << 10, 1 << 20, 1 << 24])
    kind, content = rng.randrange(4), bytes(size)
    heads = {0: [("a.x", 24 << 20)], 1: [(f"a.{n}", size) for n in range(40)], 2: [(f"{n}.x", size) for n in range(40)]}
    blocks = [(member_head(name, length), length) for name, length in heads.get(kind, [])]
    if size == 1 << 24:
        blocks = blocks[:2]
    plain = b"".join(head + (content if length == size else bytes(length)) for head, length in blocks)
    return rng.choice(COMPRESSIONS)(plain or bytes(24 << 20))


def check_bomb(seed: int) -> bool:
    """One compressed bomb, whole or mutated; whether it was refused."""
    rng = random.Random(seed)
    data = bomb(rng.randrange(12))
    if rng.randrange(2):
        data, _ = mutate(rng, data)
    limits = Limits.of(ShardLimits(max_ratio=1), len(data), compressed=True)
    headers, contents = TarHeaders(SHARD), TarContents(SHARD, limits=limits)
    try:
        decompressor = decompressor_for(data, SHARD)
        for part in chunks(data, [rng.randrange(len(data) + 1) for _ in range(3)]):
            for piece in decompressor.feed(part):
                assert len(piece) < 3 * PIECE, "a piece is too large"
                for files in contents.parts(piece, headers.feed(piece)):
                    assert all(len(content) <= limits.member for content in files.contents), "a file is too large"
        decompressor.close()
        contents.close()
        headers.close()
    except ShardError as error:
        return error.shard == SHARD
    return False


def check(seed: int) -> bool:
    """One mutation.

    Raises:
        AssertionError: It is read wrongly.
    """
    began = time.process_time()
    one = check_bomb if seed % 100 == 99 else check_compressed if seed % 4 == 3 else check_tar
    refused = one(seed)
    assert time.process_time() - began < SECONDS, "this takes too long"
    return refused


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="how many mutations")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    options = parser.parse_args()
    warnings.simplefilter("ignore", TrailingDataWarning)
    began, refused = time.perf_counter(), 0
    for seed in range(options.first, options.first + options.count):
        try:
            refused += check(seed)
        except Exception:
            print(f"seed {seed} fails", file=sys.stderr)
            raise
    print(f"{options.count} mutated shards, {refused} refused, in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
