from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from aistorch.bench import measure as module
from aistorch.bench.child import run_task
from aistorch.bench.content import object_content, object_size, sample_contents
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.measure import measure
from aistorch.bench.reading import Sample
from aistorch.bench.task import Figures, Task
from aistorch.bench.workload import BucketSpec

BUCKET = BucketSpec(100, 5)
SHARDS = BucketSpec(100, 5, shards=2, files=3)


def task(kind: str = "iterate", contender: str = "aistorch") -> Task:
    return Task(contender, kind, "http://127.0.0.1:9", BUCKET)


@pytest.fixture
def contents(monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    """What the contender reads: changed by the test."""
    read: list[Sample] = [object_content(BUCKET, number) for number in range(BUCKET.objects)]

    def reading(contender: str, kind: str) -> object:
        def iterate(_: Task) -> Iterator[Sample]:
            yield from read

        return iterate

    monkeypatch.setattr(module, "reading", reading)
    return read


def test_what_is_read_is_counted(contents: list[Sample]) -> None:
    found = measure(task())
    assert (found.samples, found.bytes) == (5, 500)
    assert found.first_sample_seconds is not None
    assert 0 < found.first_sample_seconds <= found.seconds
    assert found.cpu_seconds >= 0
    assert found.rss_before is not None
    assert found.rss_peak is not None
    assert found.rss_peak >= found.rss_before > 1 << 20


def test_the_first_sample_alone(contents: list[Sample]) -> None:
    found = measure(task("first"))
    assert (found.samples, found.bytes) == (1, 100)
    assert found.first_sample_seconds is not None
    assert found.first_sample_seconds <= found.seconds


@pytest.mark.parametrize("samples", [4, 6])
def test_reading_too_few_or_too_many_is_no_result(samples: int, contents: list[Sample]) -> None:
    contents[:] = [*contents, contents[0]][:samples]
    with pytest.raises(BenchmarkError, match=f"aistorch read {samples} samples with {samples}00 bytes instead of 5"):
        measure(task())


def test_short_samples_are_no_result(contents: list[Sample]) -> None:
    contents[2] = object_content(BUCKET, 2)[:-1]
    with pytest.raises(BenchmarkError, match="with 499 bytes instead of 5 with 500"):
        measure(task())


def test_all_files_of_a_sample_are_counted(contents: list[Sample]) -> None:
    contents[:] = [sample_contents(SHARDS, number) for number in range(5)]
    found = measure(replace(task("shards"), bucket=SHARDS))
    assert (found.samples, found.bytes) == (5, 1500)
    contents[3] = sample_contents(SHARDS, 3)[:2]
    with pytest.raises(BenchmarkError, match="read 5 samples with 1400 bytes instead of 5 with 1500"):
        measure(replace(task("shards"), bucket=SHARDS))


def test_shards_read_as_they_are_stand_for_the_samples_in_them(contents: list[Sample]) -> None:
    contents[:] = [object_content(SHARDS, number) for number in range(2)]
    plain = replace(task("shards", "plain"), bucket=SHARDS)
    found = measure(plain)
    assert (found.samples, found.bytes) == (5, object_size(SHARDS, 0) + object_size(SHARDS, 1))
    contents.pop()
    with pytest.raises(BenchmarkError, match="plain read 1 samples with 10240 bytes instead of 2 with 20480"):
        measure(plain)


def test_computing_alone_needs_no_server() -> None:
    found = run_task(Task("alone", "iterate", "http://127.0.0.1:9", BUCKET, compute="python", compute_amount=1000))
    assert found is not None
    assert (found.samples, found.bytes) == (5, 0)
    assert found.seconds > 0


def test_a_process_that_fails_is_told_of_in_a_line() -> None:
    with pytest.raises(BenchmarkError, match=r"nobody: .*there is no contender 'nobody'") as caught:
        run_task(task(contender="nobody"))
    assert "\n" not in str(caught.value)


def test_a_task_reaches_another_process_as_it_is() -> None:
    sent = Task("plugin", "map", "http://a:1", SHARDS, 2, "native", 10_000, {"a:1": "b:2"})
    assert Task.from_json(sent.to_json()) == sent


def test_rates_of_figures() -> None:
    found = Figures(samples=100, bytes=5_000_000, seconds=0.5, cpu_seconds=0.002)
    assert (found.samples_per_second, found.megabytes_per_second, found.cpu_us_per_sample) == (200, 10, 20)
