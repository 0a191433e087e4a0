from __future__ import annotations

import io
import tarfile
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.bench.content import (
    file_offsets,
    object_content,
    object_name,
    object_size,
    row_prefix,
    sample_contents,
)
from aistorch.bench.workload import BucketSpec

SHARDS = BucketSpec(700, 11, shards=3, files=2, rows=2)


def members(spec: BucketSpec, number: int) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(object_content(spec, number)), mode="r:") as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def test_names_are_in_the_order_of_their_numbers() -> None:
    numbers = [0, 9, 10, 99_999, 100_000]
    names = [object_name(BucketSpec(1, 1), number) for number in numbers]
    assert names == sorted(set(names))
    assert names[3] == "train/00099999.bin"


@given(st.integers(0, 10**8 - 1), st.integers(8, 5000))
def test_content_has_its_size_and_tells_its_number(number: int, size: int) -> None:
    spec = BucketSpec(size, 1)
    content = object_content(spec, number)
    assert len(content) == object_size(spec, number) == size
    assert int.from_bytes(content[:8], "little") == number
    assert content[8:] == object_content(spec, 0)[8:]


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        (BucketSpec(4096, 1), "01844fd4cf08176a33d77e89885411f5543c6a18683dad1888504a05a49f7a57"),
        (SHARDS, "aee177ec9052dfb32a782225bf5116898fe5606d456408e43685ef8305ba44df"),
    ],
)
def test_content_is_the_same_on_every_machine(spec: BucketSpec, digest: str) -> None:
    # A bucket that an earlier version has filled is used again, so this must not change.
    number = 5 if spec.shards else 7
    assert sha256(object_content(spec, number)).hexdigest() == digest


def test_the_shards_of_a_row_stand_together_in_order() -> None:
    names = [object_name(SHARDS, number) for number in range(SHARDS.objects)]
    assert names == sorted(set(names))
    assert [name.startswith(row_prefix(0)) for name in names] == [True] * 3 + [False] * 3
    assert all(name.startswith(row_prefix(1)) for name in names[3:])


def test_each_row_of_shards_has_its_files_of_all_samples() -> None:
    rows = []
    for first in (0, 3):
        files: dict[str, bytes] = {}
        for number in range(first, first + 3):
            files |= members(SHARDS, number)
        rows.append(files)
    assert list(rows[0]) == list(rows[1]) == [f"{sample:08d}.part{part}" for sample in range(11) for part in range(2)]
    for sample in range(11):
        stored = [rows[row][f"{sample:08d}.part{part}"] for row in range(2) for part in range(2)]
        assert stored == sample_contents(SHARDS, sample)


def test_no_two_files_are_the_same() -> None:
    contents = [content for sample in range(11) for content in sample_contents(SHARDS, sample)]
    assert len(set(contents)) == 11 * 4
    assert sum(map(len, contents)) == SHARDS.bytes


@given(st.integers(0, 3000), st.integers(1, 40), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2))
def test_the_size_of_a_shard_is_known_without_making_it(
    size: int, samples: int, shards: int, files: int, rows: int
) -> None:
    spec = BucketSpec(size, samples, shards, files, rows)
    for number in range(spec.objects):
        content = object_content(spec, number)
        assert object_size(spec, number) == len(content)
        assert content[257:263] == (b"ustar\0" if members(spec, number) else bytes(6))
        assert [content[at : at + size] for at in file_offsets(spec, number)] == [*members(spec, number).values()]
