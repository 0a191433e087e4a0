"""Compressed shards, uncompressed as they arrive."""

from __future__ import annotations

import gzip
import random
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import DamagedShardError, MissingExtraError, ShardError, TruncatedShardError
from aistorch.shards.compression import PIECE, decompressor_for
from tests.support.tars import chunks

lz4 = pytest.importorskip("lz4.frame")
zstandard = pytest.importorskip("zstandard")

SHARD = "ais://b/s.tar.z"
Compress = Callable[[bytes], bytes]


def compress_lz4(data: bytes) -> bytes:
    return bytes(lz4.compress(data, content_checksum=True))


def compress_zstd(data: bytes) -> bytes:
    return bytes(zstandard.ZstdCompressor(write_checksum=True).compress(data))


COMPRESSIONS = [
    pytest.param(gzip.compress, id="gzip"),
    pytest.param(compress_lz4, id="lz4"),
    pytest.param(compress_zstd, id="zstd"),
]
of_each_kind = pytest.mark.parametrize("compress", COMPRESSIONS)
DATA = random.Random(1).randbytes(50_000) + b"repeated" * 200_000


def uncompressed(parts: list[bytes]) -> bytes:
    decompressor = decompressor_for(parts[0], SHARD)
    data = b"".join(bytes(piece) for part in parts for piece in decompressor.feed(part))
    decompressor.close()
    return data


@of_each_kind
@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
def test_one_frame(compress: Compress, size: int) -> None:
    packed = compress(DATA)
    assert uncompressed([packed[:6], *chunks(packed[6:], range(0, len(packed), size))]) == DATA


@of_each_kind
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.lists(st.integers(6, 600), max_size=5))
def test_several_frames_one_after_another(compress: Compress, parts: list[bytes], cuts: list[int]) -> None:
    assert uncompressed(chunks(b"".join(map(compress, parts)), cuts)) == b"".join(parts)


def test_what_is_not_compressed_passes_through() -> None:
    assert uncompressed([b"name.txt", b"and more"]) == b"name.txtand more"


def test_a_file_that_is_called_like_a_format_is_no_such() -> None:
    assert uncompressed([b"BZh9.jpg".ljust(512, b"\0")]).startswith(b"BZh9.jpg")


def test_zeros_behind_gzip_are_padding() -> None:
    assert uncompressed([gzip.compress(b"abc") + bytes(100), bytes(5)]) == b"abc"


def test_frames_that_are_to_be_skipped_are() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    for compress in (compress_lz4, compress_zstd):
        assert uncompressed([compress(b"abc") + skipped + compress(b"def")]) == b"abcdef"


@of_each_kind
def test_memoryviews_are_taken(compress: Compress) -> None:
    packed = memoryview(compress(DATA))
    decompressor = decompressor_for(packed, SHARD)
    assert (
        b"".join(piece for at in range(0, len(packed), 999) for piece in decompressor.feed(packed[at : at + 999]))
        == DATA
    )


@of_each_kind
def test_what_ends_too_early_is_told(compress: Compress) -> None:
    packed = compress(b"abc" * 100)
    for length in range(6, len(packed)):
        with pytest.raises(TruncatedShardError, match=SHARD):
            uncompressed([packed[:length]])


@of_each_kind
def test_damage_is_told_at_the_latest_by_the_checksum(compress: Compress) -> None:
    data = random.Random(2).randbytes(3000)
    packed = compress(data)
    for at in range(100, len(packed), 50):
        with pytest.raises((DamagedShardError, TruncatedShardError), match=SHARD):
            uncompressed([packed[:at] + bytes([packed[at] ^ 16]) + packed[at + 1 :]])


@of_each_kind
def test_garbage_behind_a_frame_is_damage(compress: Compress) -> None:
    with pytest.raises(DamagedShardError) as raised:
        uncompressed([compress(b"abc" * 100) + b"garbage, not a frame"])
    assert (raised.value.shard, raised.value.offset) == (SHARD, 300)


@of_each_kind
def test_a_bomb_goes_off_in_small_pieces(compress: Compress) -> None:
    packed = compress(bytes(64 << 20))
    decompressor = decompressor_for(packed, SHARD)
    pieces = [len(piece) for piece in decompressor.feed(packed)]
    assert sum(pieces) == 64 << 20
    assert max(pieces) < 2 * PIECE


@pytest.mark.parametrize(
    ("head", "name"), [(b"BZh91AY&SY", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04..", "zip")]
)
def test_what_is_not_read_is_named(head: bytes, name: str) -> None:
    with pytest.raises(ShardError, match=f"{SHARD} cannot be read: (it is|this is a) {name}"):
        decompressor_for(head, SHARD)


@pytest.mark.parametrize(("compress", "module"), [(compress_lz4, "lz4.frame"), (compress_zstd, "zstandard")])
def test_a_package_that_is_missing_is_named(compress: Compress, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = compress(b"abc")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'aistorch\[shards\]'"):
        decompressor_for(packed, SHARD)


def test_gzip_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("lz4.frame", "zstandard"):
        monkeypatch.setitem(sys.modules, module, None)
    assert uncompressed([gzip.compress(b"abc")]) == b"abc"
