"""Which files go into which shard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from aistore.sdk import Client
from hypothesis import given
from hypothesis import strategies as st

from aistorch.errors import InvalidArgumentError, ReadError
from aistorch.shards.destination import Destination
from aistorch.shards.grouping import split_name
from aistorch.shards.pack_plan import Plan, plan_shards
from aistorch.shards.pack_source import FolderSource
from aistorch.shards.tar_write import END, member_size

DESTINATION = Destination(Client("http://127.0.0.1:9").bucket("b"), "p/")

PARTS = st.text("ab-é", min_size=1, max_size=3)
NAMES = st.builds("/".join, st.lists(PARTS, min_size=1, max_size=2))
FILES = st.dictionaries(
    st.builds("{}.{}".format, NAMES, st.sampled_from(["jpg", "cls", "seg.png"])) | NAMES,
    st.integers(0, 3000),
    min_size=1,
    max_size=25,
)


class Listed(FolderSource):
    """Files that are nowhere."""

    def __init__(self, files: dict[str, int]) -> None:
        self.names, self.sizes = list(files), list(files.values())
        self._links, self._special = [], []


def plan_of(
    files: dict[str, int], max_count: int | None = None, max_size: int = 1 << 37, seed: int | None = None
) -> Plan:
    return plan_shards(Listed(files), DESTINATION, max_count, max_size, seed)


@given(FILES, st.none() | st.integers(1, 4), st.integers(1, 20_000), st.none() | st.integers())
def test_every_file_is_in_one_shard_beside_those_of_its_sample(
    files: dict[str, int], max_count: int | None, max_size: int, seed: int | None
) -> None:
    names = list(files)
    packed = {name for name in files if split_name(name)}
    if not packed:
        with pytest.raises(InvalidArgumentError, match=r"nothing to pack: .*\(without an extension: "):
            plan_of(files, max_count, max_size, seed)
        return
    plan = plan_of(files, max_count, max_size, seed)
    positions = [position for shard in plan.shards for position in shard.positions]
    assert sorted(names[position] for position in positions) == sorted(packed)
    keys = [{split_name(names[p])[0] for p in sample} for shard in plan.shards for sample in shard.samples]  # type: ignore[index]
    assert [len(key) for key in keys] == [1] * len(keys)
    assert len({key for one in keys for key in one}) == len(keys) == plan.samples
    for number, shard in enumerate(plan.shards):
        assert shard.name == f"p/shard-{number:06d}.tar"
        assert shard.size == len(END) + sum(member_size(names[p], files[names[p]]) for p in shard.positions)
        assert shard.size <= max_size or len(shard.samples) == 1
        assert 1 <= len(shard.samples) <= (max_count or len(names))
    assert (plan.files, plan.size) == (len(packed), sum(shard.size for shard in plan.shards))
    assert bool(plan.left_out) == (len(packed) < len(files))


def test_shards_are_as_full_as_they_may_be() -> None:
    files = {f"{number}.x": 512 for number in range(10)}  # two blocks each, and two for the end
    assert [len(shard.samples) for shard in plan_of(files, max_size=8 * 512).shards] == [3, 3, 3, 1]
    assert [len(shard.samples) for shard in plan_of(files, max_size=8 * 512 - 1).shards] == [2] * 5
    assert [len(shard.samples) for shard in plan_of(files, max_count=4).shards] == [4, 4, 2]


def test_samples_are_in_the_order_of_their_keys_or_in_a_seeded_one() -> None:
    files = {f"{number:02}.{extension}": 1 for number in reversed(range(40)) for extension in ("jpg", "cls")}
    names = list(files)

    def order(seed: int | None) -> list[str]:
        return [names[position] for position in plan_of(files, seed=seed).shards[0].positions]

    assert order(None) == sorted(files)
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in (None, 0, 1, 2)}) == 4
    assert sorted(order(1)) == sorted(files)


def test_what_is_left_out_is_told() -> None:
    plan = plan_of({"a.jpg": 1, "Makefile": 1, ".hidden": 1, "dot.": 1, "b/README": 1})
    assert plan.left_out == ["without an extension: '.hidden', 'Makefile', 'b/README' and 1 more"]


@pytest.mark.parametrize(("count", "size"), [(0, 1), (-1, 1), (None, 0), (None, 1 << 50)])
def test_limits_that_cannot_be_are_refused(count: int | None, size: int) -> None:
    with pytest.raises(InvalidArgumentError, match=r"max_count|max_size"):
        plan_of({"a.b": 1}, count, size)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("shard.tar", "one place"),
        ("{}-{}.tar", "cannot be used"),
        ("{0}-{0}.tar", "one place"),
        ("{:06d}", "must end in '.tar'"),
        ("{name}.tar", "cannot be used"),
        ("{:x!}.tar", "cannot be used"),
        ("{.tar", "cannot be used"),
    ],
)
def test_patterns_that_make_no_names_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=reason):
        Destination.of(DESTINATION.bucket, "", pattern, None, "ShardWriter")


def test_a_folder_is_read_with_all_folders_in_it(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    for name in ("b.x", "d/a.x", "d/e/c.x"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "link.x").symlink_to(tmp_path / "b.x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.x").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.x")
    source = FolderSource(tmp_path)
    assert list(source.names) == ["b.x", "d/a.x", "d/e/c.x", "link.x"]
    assert list(source.read([2, 0, 3])) == [b"d/e/c.x", b"b.x", b"b.x"]
    assert source.left_out == ["link to a folder: 'loop'", "neither file nor folder: 'gone.x', 'pipe.x'"]


def test_a_file_that_changes_or_goes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.x").write_bytes(b"1")
    source = FolderSource(tmp_path)
    (tmp_path / "a.x").write_bytes(b"12")
    with pytest.raises(ReadError, match=r"a\.x could not be read: it had 1 bytes when it was listed, and has 2 now"):
        list(source.read([0]))
    (tmp_path / "a.x").unlink()
    with pytest.raises(ReadError, match=r"a\.x could not be read: No such file"):
        list(source.read([0]))


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="none is no folder: give a folder, or a URL"):
        FolderSource(tmp_path / "none")
