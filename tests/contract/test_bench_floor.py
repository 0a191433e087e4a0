"""The benchmark's contender `floor`: as little as it does, it has to do that right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aistorch.bench import floor
from aistorch.bench.content import object_content, object_name, object_size, sample_contents
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.floor import read_floor
from aistorch.bench.measure import measure
from aistorch.bench.task import Task
from aistorch.bench.upload import upload
from aistorch.bench.workload import BucketSpec
from aistorch.server import EmbeddedAIStore
from tests.contract.conftest import Server
from tests.support.replies import plain, redirect, stored
from tests.support.scripted_node import ScriptedNode, Talk, Wire, answering

SPEC = BucketSpec(700, 20, shards=2, files=3)
SPECS = [SPEC, replace(SPEC, indexed=True), BucketSpec(10_000, 50, shards=3, files=3)]


def read(task: Task) -> list[list[bytes]]:
    return [list(sample) for sample in read_floor(task)]


@pytest.fixture(scope="module")
def filled(ais: Server) -> Iterator[str]:
    """The endpoint of a server that has the shards."""
    for spec in SPECS:
        ais.client().bucket(spec.name).create(exist_ok=True)
        upload(ais.endpoint, spec, range(spec.objects), lambda: None)
    yield ais.endpoint
    for spec in SPECS:
        ais.client().bucket(spec.name).delete(missing_ok=True)


@pytest.fixture(scope="module")
def breakable() -> Iterator[EmbeddedAIStore]:
    """A server that has the shards and can be told to send something else."""
    with EmbeddedAIStore(targets=3) as server:
        server.client().bucket(SPEC.name).create()
        upload(server.endpoint, SPEC, range(SPEC.objects), lambda: None)
        yield server


# Less than a header, a file, a file and its header; files that end with memory or one byte behind; all in one go.
@pytest.mark.parametrize("memory", [1000, 1535, 1536, 10_511, 10_512, 10_513, 65_536, 2 << 20])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_file_is_cut_out_wherever_memory_ends(
    spec: BucketSpec, memory: int, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "_MEMORY", memory)
    samples = read(Task("floor", "shards", filled, spec))
    assert samples == [sample_contents(spec, number) for number in range(spec.samples)]


def test_it_is_measured_as_all_are(filled: str) -> None:
    found = measure(Task("floor", "shards", filled, SPEC))
    assert (found.samples, found.bytes) == (20, 20 * 3 * 700)
    assert found.cpu_seconds > 0
    assert found.first_sample_seconds is not None
    assert 0 < found.first_sample_seconds <= found.seconds


def test_a_sample_is_let_go_before_the_next_is_cut(filled: str) -> None:
    samples = read_floor(Task("floor", "shards", filled, SPEC))
    first = next(samples)
    assert first == sample_contents(SPEC, 0)
    assert next(samples) is first
    assert first == sample_contents(SPEC, 1)


def test_the_proxy_is_asked_once_a_shard_and_a_target_on_one_connection() -> None:
    shards = [object_content(SPEC, number) for number in range(SPEC.objects)]
    with (
        ScriptedNode(answering(lambda asked: stored(shards[int(asked.name[-5])]))) as target,
        ScriptedNode(answering(lambda asked: redirect(f"{target.url}{asked.target}&pid=p1&utm=7"))) as proxy,
    ):
        samples = read(Task("floor", "shards", proxy.url, SPEC))
    assert samples == [sample_contents(SPEC, number) for number in range(20)]
    paths = [f"/v1/objects/{SPEC.name}/{object_name(SPEC, number)}?provider=ais" for number in range(2)]
    assert [asked.target for asked in proxy.asked] == paths
    assert [asked.target for asked in target.asked] == [f"{path}&pid=p1&utm=7" for path in paths]
    assert (proxy.connections, target.connections) == (1, 1)
    assert {asked.headers["host"] for asked in target.asked} == {target.address.host_header}


@pytest.mark.parametrize("offset", [0, 600, object_size(SPEC, 0) - 1])  # in a header, in a file, behind all files
@pytest.mark.parametrize("memory", [1000, 2 << 20])
def test_a_byte_that_differs_is_no_result(
    offset: int, memory: int, breakable: EmbeddedAIStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "_MEMORY", memory)
    fault = breakable.faults.corrupt(offset, contains="000001.tar")
    samples = read_floor(Task("floor", "shards", breakable.endpoint, SPEC))
    intact = [list(next(samples)) for _ in range(10)]  # the other shard
    with pytest.raises(BenchmarkError, match=r"000001\.tar .*has checksum \w{16}, announced was \w{16}"):
        list(samples)
    assert fault.hits == 1
    fault.remove()
    assert intact == [sample_contents(SPEC, number) for number in range(10)]


SHARD = object_content(SPEC, 0)


def once(reply: bytes) -> Talk:
    """Answers the first request, then ends the connection."""

    def talk(wire: Wire) -> None:
        next(wire.requests())
        wire.send(reply)
        wire.end()

    return talk


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            stored(SHARD, checksum="0123456789abcdef"),
            r"000000\.tar .*has checksum \w{16}, announced was 0123456789abcdef",
        ),
        (plain(200, SHARD), r"000000\.tar .*has checksum \w{16}, announced was none"),
        (stored(SHARD + bytes(512)), rf"000000\.tar .*status 200 and {len(SHARD) + 512} bytes instead of {len(SHARD)}"),
        (plain(404, b"{}"), rf"000000\.tar .*status 404 and 2 bytes instead of {len(SHARD)}"),
        (stored(SHARD)[:-1], "a reply came to an early end"),
        (stored(SHARD)[:50], "a reply came to an early end"),
    ],
    ids=["wrong checksum", "no checksum", "longer", "missing", "cut", "cut in the head"],
)
def test_what_a_target_should_not_answer_is_no_result(reply: bytes, told: str) -> None:
    with (
        ScriptedNode(once(reply)) as target,
        ScriptedNode(answering(lambda _: redirect(target.url))) as proxy,
        pytest.raises(BenchmarkError, match=told),
    ):
        read(Task("floor", "shards", proxy.url, SPEC))


def test_a_bucket_that_is_not_there_is_no_result(ais: Server) -> None:
    missing = replace(SPEC, samples=19)
    with pytest.raises(BenchmarkError, match=rf"row-0/000000\.tar of {missing.name} was answered with status 404"):
        read(Task("floor", "shards", ais.endpoint, missing))
