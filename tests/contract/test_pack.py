"""Folders and buckets packed into shards on each server, and the shards held against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket, Client

from aistorch import MemberIndex, RetryPolicy
from aistorch.errors import InvalidArgumentError, ObjectExistsError, WriteError
from aistorch.progress import Progress
from aistorch.shards import put as put_module
from aistorch.shards.destination import Destination
from aistorch.shards.pack import Packed, check_destination, pack
from aistorch.shards.pack_plan import Plan, plan_shards
from aistorch.shards.pack_source import BucketSource, FolderSource, PackSource
from aistorch.shards.pack_verify import verify
from tests.contract.test_shard_writer import by_index, by_tarfile, names_in, read
from tests.support.objects import content, put_all

if TYPE_CHECKING:
    from tests.contract.conftest import Server

KEYS = [f"{folder}/é {number:02}" for folder in ("cats", "dogs") for number in range(12)]
FILES = {f"{key}.{extension}": content(f"{key}.{extension}", 3000) for key in KEYS for extension in ("cls", "seg.png")}
PROGRESS = Progress(False, "")
QUICK = RetryPolicy(attempts=3, backoff=0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, body in {**FILES, "cats/README": b"none of them"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    return tmp_path


class Run:
    """Files packed into `shards/` of a bucket, five samples a shard."""

    def __init__(self, source: PackSource, bucket: Bucket, seed: int | None = None) -> None:
        self.source, self.bucket = source, bucket
        self.destination = Destination(bucket, "shards/")
        self.plan: Plan = plan_shards(source, self.destination, 5, 1 << 30, seed)
        self.packed: Packed = pack(source, self.plan, self.destination, PROGRESS, QUICK)

    def problems(self) -> list[str]:
        return list(verify(self.source, self.plan, self.packed.checksums, self.destination, PROGRESS))

    def members(self) -> list[tuple[str, bytes]]:
        return [member for shard in self.plan.shards for member in by_tarfile(read(self.bucket, shard.name))]


def test_a_folder_is_packed_in_order_and_verified(bucket: Bucket, folder: Path) -> None:
    run = Run(FolderSource(folder), bucket)
    assert run.members() == sorted(FILES.items())
    assert run.problems() == []
    assert run.plan.left_out == ["without an extension: 'cats/README'"]
    names = [f"shards/shard-{number:06d}.tar" for number in range(5)]
    assert names_in(bucket) == sorted(name + suffix for name in names for suffix in ("", ".idx"))
    assert [(shard.name, shard.samples) for shard in run.packed.shards] == list(
        zip(names, [5, 5, 5, 5, 4], strict=True)
    )
    for planned, written in zip(run.plan.shards, run.packed.shards, strict=True):
        archive = read(bucket, written.name)
        assert len(archive) == planned.size == written.size
        index = MemberIndex.from_bytes(read(bucket, f"{written.name}.idx"), written.name)
        assert [key for key, _ in by_index(archive, index)] == index.keys()


def test_a_bucket_is_packed_shuffled(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {**{f"raw/{name}": body for name, body in FILES.items()}, "rawer/a.cls": b"2", "raw/README": b"1"})
    run = Run(BucketSource(f"ais://{bucket.name}/raw/", ais.endpoint), bucket, seed=5)
    members = run.members()
    assert sorted(members) == sorted(FILES.items())
    assert members != sorted(FILES.items())
    assert [name for name, _ in members[::2]] == [name.replace(".seg.png", ".cls") for name, _ in members[1::2]]
    assert run.problems() == []
    again = plan_shards(run.source, run.destination, 5, 1 << 30, 5)
    assert again == run.plan


def test_what_is_in_the_way_is_told_before_anything_is_written(ais: Server, bucket: Bucket, folder: Path) -> None:
    source = FolderSource(folder)
    destination = Destination(bucket, "shards/")
    plan = plan_shards(source, destination, 5, 1 << 30, None)
    assert check_destination(source, plan, destination, overwrite=False) == []
    put_all(bucket, {"shards/shard-000004.tar.idx": b"", "shards/shard-000009.tar": b"", "other": b""})
    with pytest.raises(ObjectExistsError, match=r"already: 'shards/shard-000004\.tar\.idx'; .*--overwrite"):
        check_destination(source, plan, destination, overwrite=False)
    assert check_destination(source, plan, destination, overwrite=True) == ["shards/shard-000009.tar"]
    put_all(bucket, {"a.x": b""})
    around = BucketSource(f"ais://{bucket.name}", ais.endpoint)
    with pytest.raises(InvalidArgumentError, match="is part of the source"):
        check_destination(around, plan, destination, overwrite=True)


def replace(bucket: Bucket, name: str, change: Callable[[bytes], bytes]) -> None:
    bucket.object(name).get_writer().put_content(change(read(bucket, name)))


def test_whatever_was_damaged_is_found(bucket: Bucket, folder: Path) -> None:
    run = Run(FolderSource(folder), bucket)
    one, two, three, four, five = [shard.name for shard in run.plan.shards]
    # In shard 1 a byte of a content, 2 ends early, 3 has the index of another one, 4 is gone, 5 is no archive.
    first = sorted(FILES)[0]
    damaged = FILES[first][:100] + bytes([FILES[first][100] ^ 1]) + FILES[first][101:]
    replace(bucket, one, lambda archive: archive.replace(FILES[first], damaged))
    replace(bucket, two, lambda archive: archive[: len(archive) // 2])
    replace(bucket, f"{three}.idx", lambda _: read(bucket, f"{one}.idx"))
    bucket.object(four).delete()
    replace(bucket, five, lambda _: b"no archive" * 100)
    problems = run.problems()

    def about(shard: str) -> list[str]:
        return [
            problem.partition(": ")[2] for problem in problems if problem.startswith(f"ais://{bucket.name}/{shard}:")
        ]

    assert about(one)[0].startswith(f"{first!r} differs from the source (xxh64 ")
    assert about(one)[1:] == ["its index .idx does not tell where its files are"]
    assert about(two)[0].startswith("cannot be read back") or about(two)[0].endswith("is missing")
    assert about(three) == ["its index .idx does not tell where its files are"]
    assert about(four)[0].startswith("cannot be read back")
    assert about(five)[0].startswith("cannot be read back")
    assert len(problems) == sum(len(about(shard)) for shard in (one, two, three, four, five))


def test_files_too_many_and_too_few_are_found(bucket: Bucket, folder: Path) -> None:
    run = Run(FolderSource(folder), bucket)
    source = FolderSource(folder)
    source.names = [name.replace("cats/é 00.cls", "cats/é 00.txt") for name in source.names]
    found = list(verify(source, run.plan, run.packed.checksums, run.destination, PROGRESS))
    shard = f"ais://{bucket.name}/{run.plan.shards[0].name}"
    assert found == [f"{shard}: 'cats/é 00.cls' should not be there", f"{shard}: 'cats/é 00.txt' is missing"]


class TestFaults:
    """What goes wrong on the way, as only the embedded server can be told to do."""

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
        monkeypatch.setattr(put_module, "ASKING_SECONDS", 0.1)
        with server.EmbeddedAIStore() as started:
            started.client().bucket("b").create()
            yield started

    def pack(self, server: Any, tmp_path: Path) -> Run:
        for number in range(4):
            (tmp_path / f"{number}.bin").write_bytes(content(str(number), 9 << 20))
        return Run(FolderSource(tmp_path), Client(server.endpoint, timeout=(3.0, 0.5)).bucket("b"))

    def test_a_shard_that_failed_is_written_again(self, server: Any, tmp_path: Path) -> None:
        fault = server.faults.delay(2.0, method="PUT", times=1, after=1)
        run = self.pack(server, tmp_path)
        assert fault.hits == 1
        assert run.problems() == []

    def test_a_shard_that_always_fails_ends_the_run(self, server: Any, tmp_path: Path) -> None:
        server.faults.status(500, method="PUT")
        with pytest.raises(WriteError, match=r"ais://b/shards/shard-000000\.tar could not be written"):
            self.pack(server, tmp_path)
        assert names_in(server.client().bucket("b")) == []
