"""`aistorch bench` on the embedded server, as small as it gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from aistore.sdk import Client

from aistorch.bench.buckets import prepare
from aistorch.bench.content import object_content, object_name, object_size, sample_contents
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.measure import measure
from aistorch.bench.reading import reading
from aistorch.bench.rounds import Rounds
from aistorch.bench.servers import describe_server
from aistorch.bench.task import Figures, Task
from aistorch.bench.upload import upload
from aistorch.bench.verify import verify
from aistorch.bench.with_webdataset import has_webdataset
from aistorch.bench.workload import BucketSpec, Workload, load_workloads
from aistorch.server import EmbeddedAIStore
from tests.cli.command import run
from tests.contract.conftest import Server

TINY = BucketSpec(100, 20)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with EmbeddedAIStore(targets=3) as server:
        yield server.endpoint


@pytest.fixture(scope="module")
def prepared(endpoint: str) -> BucketSpec:
    prepare(endpoint, TINY, lambda: None)
    return TINY


def workload(name: str, contenders: tuple[str, ...]) -> Workload:
    """One of the real ones, on a bucket of 20 objects."""
    (found,) = [each for each in load_workloads() if each.name == name]
    return replace(found, bucket=TINY, contenders=contenders)


def test_the_command_measures_keeps_draws_and_cleans_up(endpoint: str, tmp_path: Path) -> None:
    kept, chart = tmp_path / "a.json", tmp_path / "a.png"
    files = ("--json", str(kept), "--chart", str(chart))
    ended = run("bench", "--endpoint", endpoint, "--quick", "--rounds", "1", "--only", "iterate-4k", *files)
    assert ended.returncode == 0, ended.stderr
    assert "embedded AIStore (1 proxy + 3 targets)" in ended.stdout
    assert "x plugin" in ended.stdout
    assert chart.read_bytes().startswith(b"\x89PNG")
    found = json.loads(kept.read_text())
    assert found["server"]["embedded"] is True
    read = {each["contender"]: each["figures"]["samples"] for each in found["runs"] if each["contender"] != "wrk"}
    assert read == {"plugin": 400, "aistorch": 400}

    ended = run("bench", "--endpoint", endpoint, "--clean")
    assert (ended.returncode, "removed aistorch-bench-400x4096" in ended.stdout) == (0, True)
    ended = run("bench", "--endpoint", endpoint, "--clean")
    assert (ended.returncode, ended.stdout) == (0, "")


def test_an_unknown_workload_is_refused_in_a_line(endpoint: str) -> None:
    ended = run("bench", "--endpoint", endpoint, "--only", "iterate-5k")
    assert ended.returncode == 1
    assert ended.stderr.startswith("aistorch: there is no workload 'iterate-5k'; there are iterate-4k")


def test_a_bucket_is_completed_and_not_written_again(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Task] = []
    monkeypatch.setattr("aistorch.bench.buckets.run_task", checked.append)
    spec = BucketSpec(64, 12)
    prepare(endpoint, spec, lambda: None)
    bucket = Client(endpoint).bucket(spec.name)
    bucket.object(object_name(spec, 3)).delete()
    bucket.object(object_name(spec, 4)).get_writer().put_content(b"kept: who wrote it knows better" + bytes(33))
    done: list[None] = []
    prepare(endpoint, spec, lambda: done.append(None))
    assert len(done) == 12
    assert bucket.object(object_name(spec, 3)).get_reader().read_all() == object_content(spec, 3)
    assert bucket.object(object_name(spec, 4)).get_reader().read_all().startswith(b"kept")
    assert checked == 2 * [Task("aistorch", "verify", endpoint, spec)]


@pytest.mark.parametrize("size", [0, 5, 100_000, 3_000_000])
def test_objects_of_every_size_are_written(size: int, ais: Server, request: pytest.FixtureRequest) -> None:
    spec = BucketSpec(size, 3)
    bucket = ais.client().bucket(spec.name).create(exist_ok=True)
    request.addfinalizer(lambda: bucket.delete(missing_ok=True))
    upload(ais.endpoint, spec, range(3), lambda: None)
    found = {each.name: each.get_reader().read_all() for each in bucket.list_all_objects_iter()}
    assert found == {object_name(spec, number): object_content(spec, number) for number in range(3)}


def test_shards_are_written_and_compared(
    ais: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistorch.bench.buckets.run_task", verify)
    spec = BucketSpec(60_000, 25, shards=2, files=2, rows=2)  # each shard more than is written in one go
    request.addfinalizer(lambda: ais.client().bucket(spec.name).delete(missing_ok=True))
    done: list[None] = []
    prepare(ais.endpoint, spec, lambda: done.append(None))
    found = {each.name: each.get_reader().read_all() for each in ais.client().bucket(spec.name).list_all_objects_iter()}
    assert found == {object_name(spec, number): object_content(spec, number) for number in range(4)}
    assert {name: len(content) for name, content in found.items()} == {
        object_name(spec, number): object_size(spec, number) for number in range(4)
    }
    assert len(done) == 4


def test_a_bucket_that_is_gone_cannot_be_written_to(endpoint: str) -> None:
    with pytest.raises(BenchmarkError, match=r"aistorch-bench-1x5/.* was answered with status 404"):
        upload(endpoint, BucketSpec(5, 1), range(1), lambda: None)


def test_a_bucket_that_holds_something_else_is_refused(endpoint: str, prepared: BucketSpec) -> None:
    changed = Client(endpoint).bucket(prepared.name).object(object_name(prepared, 4))
    changed.get_writer().put_content(bytes(100))
    with pytest.raises(BenchmarkError, match=f"00000004.bin of {prepared.name} is not what was written there; use --"):
        prepare(endpoint, prepared, lambda: None)
    changed.get_writer().put_content(object_content(prepared, 4))


@pytest.mark.parametrize("spec", [BucketSpec(90, 6), BucketSpec(90, 6, shards=3, files=2, rows=2)])
def test_every_byte_every_name_and_nothing_else_is_wanted(spec: BucketSpec, endpoint: str) -> None:
    bucket = Client(endpoint).bucket(spec.name).create()
    upload(endpoint, spec, range(spec.objects), lambda: None)
    task = Task("aistorch", "verify", endpoint, spec)
    verify(task)
    last = bucket.object(object_name(spec, spec.objects - 1))
    content = bytearray(object_content(spec, spec.objects - 1))
    at = content.rindex(sample_contents(spec, spec.samples - 1)[-1]) + 89
    content[at] ^= 1
    last.get_writer().put_content(bytes(content))
    with pytest.raises(BenchmarkError, match=f"{last.name} of {spec.name} is not what was written"):
        verify(task)
    last.delete()
    with pytest.raises(BenchmarkError, match=f"{spec.name} holds 5 objects of 6" if spec.objects == 6 else "holds"):
        verify(task)
    upload(endpoint, spec, [spec.objects - 1], lambda: None)
    bucket.object("another").get_writer().put_content(object_content(spec, 0))
    with pytest.raises(BenchmarkError, match=f"another of {spec.name} is not what was written"):
        verify(task)


def test_what_is_computed_is_measured(endpoint: str, prepared: BucketSpec) -> None:
    (done,) = Rounds(endpoint, [workload("compute-native", ("aistorch",))], 1).run(1, lambda *_: None)
    assert done.figures is not None, done.error
    # Twenty times 1 ms, less what another process may have taken from the calibration.
    assert done.figures.seconds > 20 * 0.5e-3


def test_the_first_sample_and_its_measure(endpoint: str, prepared: BucketSpec) -> None:
    rounds = Rounds(endpoint, [workload("first-sample", ("plugin", "two-pages"))], wrk_seconds=1)
    plugin, pages = (each.figures for each in rounds.run(1, lambda *_: None))
    assert plugin is not None
    assert pages is not None
    assert (plugin.samples, plugin.bytes) == (1, 100)
    assert pages.seconds > 0


def test_a_loader_with_workers_is_measured_whole(endpoint: str, prepared: BucketSpec) -> None:
    (done,) = Rounds(endpoint, [workload("map-16k-2-workers", ("aistorch",))], 1).run(1, lambda *_: None)
    assert done.figures is not None, done.error
    assert (done.figures.samples, done.figures.bytes) == (20, 2000)


SHARDS = BucketSpec(700, 20, shards=2, files=3)
ROWS = BucketSpec(700, 20, shards=2, rows=2)
INDEXED = replace(SHARDS, indexed=True)


@pytest.fixture(scope="module")
def shards(endpoint: str) -> BucketSpec:
    for spec in (SHARDS, ROWS, INDEXED):
        Client(endpoint).bucket(spec.name).create()
        upload(endpoint, spec, range(spec.objects), lambda: None)
    return SHARDS


@pytest.mark.parametrize(
    ("contender", "task", "workers"),
    [
        ("plugin", "shards", 0),
        ("webdataset", "shards", 0),
        ("aistorch", "shards", 0),
        ("floor", "shards", 0),
        ("plugin", "shards", 2),
        ("aistorch", "shards", 2),
        ("plugin", "rows", 0),
        ("aistorch", "rows", 0),
    ],
)
def test_all_take_the_same_samples_out_of_shards(
    contender: str, task: Literal["shards", "rows"], workers: int, endpoint: str, shards: BucketSpec
) -> None:
    if contender == "webdataset" and not has_webdataset():
        pytest.skip("webdataset or curl is not installed")
    spec = SHARDS if task == "shards" else ROWS
    read = [list(sample) for sample in reading(contender, task)(Task(contender, task, endpoint, spec, workers))]
    expected = [sample_contents(spec, number) for number in range(20)]
    assert (sorted(read) if workers else read) == (sorted(expected) if workers else expected)


def test_shards_are_measured_by_samples_and_as_they_are(endpoint: str, shards: BucketSpec) -> None:
    taken_out = measure(Task("aistorch", "shards", endpoint, shards))
    plain = measure(Task("plain", "shards", endpoint, shards))
    side_by_side = measure(Task("aistorch", "rows", endpoint, ROWS))
    assert (taken_out.samples, taken_out.bytes) == (20, 20 * 3 * 700)
    assert (plain.samples, plain.bytes) == (20, 2 * object_size(shards, 0))
    assert (side_by_side.samples, side_by_side.bytes) == (20, 20 * 2 * 700)


def test_indices_lie_beside_their_shards(endpoint: str, shards: BucketSpec) -> None:
    bucket = Client(endpoint).bucket(INDEXED.name)
    sizes = {each.name: int(each.size) for each in bucket.list_all_objects(props="name,size")}
    assert sizes == {object_name(INDEXED, number): object_size(INDEXED, number) for number in range(INDEXED.objects)}
    assert [*sizes] == [f"row-0/00000{shard}.tar{suffix}" for shard in range(2) for suffix in ("", ".idx")]
    taken_out = measure(Task("aistorch", "shards", endpoint, INDEXED))
    plain = measure(Task("plain", "shards", endpoint, INDEXED))
    assert (taken_out.samples, taken_out.bytes) == (20, 20 * 3 * 700)
    assert (plain.samples, plain.bytes) == (20, sum(sizes.values()))


def test_a_sample_that_is_missing_in_a_shard_is_no_result(endpoint: str, shards: BucketSpec) -> None:
    fewer = replace(SHARDS, samples=18)
    bucket = Client(endpoint).bucket(fewer.name).create()
    upload(endpoint, fewer, range(2), lambda: None)
    bucket.object(object_name(fewer, 1)).get_writer().put_content(object_content(replace(fewer, samples=16), 1))
    for contender in ("plugin", "aistorch"):
        with pytest.raises(BenchmarkError, match=rf"{contender} read 17 samples with 35700 bytes instead of 18 with"):
            measure(Task(contender, "shards", endpoint, fewer))


def test_with_latency_everything_comes_through_the_relay(endpoint: str, prepared: BucketSpec) -> None:
    rounds = Rounds(endpoint, [workload("latency-16k", ("plugin", "aistorch"))], wrk_seconds=1)
    for done in rounds.run(1, lambda *_: None):
        assert done.figures is not None, done.error
        assert done.figures.samples == 20
        assert done.figures.latency_seconds is not None
        assert done.figures.latency_seconds > 0


def test_a_contender_that_goes_around_the_relay_has_no_result(
    endpoint: str, prepared: BucketSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aistorch.bench.rounds.run_task", lambda _: Figures(20, 2000, 0.1, 0.1))
    (done,) = Rounds(endpoint, [workload("latency-16k", ("aistorch",))], 1).run(1, lambda *_: None)
    assert done.figures is None
    assert done.error == "only 0 of 2000 bytes came through the relay that adds latency"


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_asks_a_target_for_what_is_there(endpoint: str, prepared: BucketSpec) -> None:
    (done,) = Rounds(endpoint, [workload("iterate-4k", ("wrk",))], wrk_seconds=1).run(1, lambda *_: None)
    assert done.figures is not None, done.error
    assert done.figures.samples > 20
    assert done.figures.cpu_seconds > 0


def test_a_bucket_that_is_not_there_is_a_failure(endpoint: str) -> None:
    missing = replace(workload("iterate-4k", ("aistorch",)), bucket=BucketSpec(5, 5))
    (done,) = Rounds(endpoint, [missing], wrk_seconds=1).run(1, lambda *_: None)
    assert done.figures is None
    assert "aistorch-bench-5x5" in done.error


def test_a_server_tells_what_it_is(endpoint: str) -> None:
    info = describe_server(endpoint)
    assert (info.embedded, info.proxies, info.targets, info.local) == (True, 1, 3, True)
