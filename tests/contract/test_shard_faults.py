"""What goes wrong while shards are read: each sample once and whole, or an error that tells why; and how much is read.

Faults are the embedded server's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardMapDataset, AISShardReader, ShardWriter
from aistorch.config import ReadConfig, RetryPolicy, ShuffleConfig
from aistorch.errors import ChecksumError, ObjectNotFoundError, ReadError, TruncatedReadError
from aistorch.fetch.pool import engines
from tests.support.loading import error_of
from tests.support.objects import content, new_bucket, put_all
from tests.support.shards import Files, files_of, grouped, indexed, names, read_slowly
from tests.support.tars import pack

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")

MIB = 1 << 20
QUICK = RetryPolicy(attempts=4, backoff=0.01, backoff_max=0.05, connect_timeout=2.0, read_timeout=5.0)
CONFIG = ReadConfig(retry=QUICK)

SMALL: dict[str, Files] = {f"{number}.tar": files_of(f"s{number}", 6, size=3000) for number in range(4)}
EXPECTED = read_slowly(SMALL.values())
# Of five chunks, with samples over each of their boundaries.
LARGE: Files = [(f"l-{number:02}.x", content(f"l{number}", 600_000)) for number in range(16)]
EXPECTED_LARGE = read_slowly([LARGE])


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with server_module.EmbeddedAIStore() as server:
        yield server


@pytest.fixture(scope="module")
def bucket(server: Any) -> Iterator[Bucket]:
    objects = {name: pack(files) for name, files in SMALL.items()}
    with new_bucket(server.client(), objects) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def large(server: Any) -> Iterator[Bucket]:
    with new_bucket(server.client(), indexed("large.tar", LARGE)) as bucket:
        yield bucket


@pytest.fixture
def faults(server: Any) -> Iterator[Any]:
    engines.clear()
    yield server.faults
    server.faults.clear()


def samples_before_error(dataset: Any) -> tuple[list[Any], Exception]:
    found: list[Any] = []
    try:
        for name, files in dataset:
            found.append((name, dict(files)))
    except Exception as error:
        return found, error
    raise AssertionError("no error")


EFFECTS = [("status", 503), ("drop_after", 4000), ("truncate", 4000), ("shorten", 4000), ("corrupt", 4000)]


@pytest.mark.parametrize(("effect", "amount"), [*EFFECTS, ("delay", 0.1), ("corrupt", 0)])
@pytest.mark.parametrize("shuffle", [False, ShuffleConfig(5)])
def test_what_passes_harms_no_sample(bucket: Bucket, faults: Any, effect: str, amount: Any, shuffle: Any) -> None:
    dataset = AISShardReader(bucket, config=CONFIG, shuffle=shuffle)
    fault = getattr(faults, effect)(amount, times=3)
    assert sorted(names(grouped(dataset))) == sorted(names(EXPECTED))
    assert fault.hits == 3
    fault = getattr(faults, effect)(amount, contains="2.tar", times=1)
    assert grouped(AISShardReader(bucket, config=CONFIG)) == EXPECTED
    assert fault.hits == 1


@pytest.mark.parametrize(
    ("effect", "amount", "error"),
    [
        ("status", 503, ReadError),
        ("status", 404, ObjectNotFoundError),
        ("drop_after", 4000, TruncatedReadError),
        ("truncate", 4000, TruncatedReadError),
        ("shorten", 4000, ChecksumError),
        ("corrupt", 4000, ChecksumError),
        ("corrupt", 600, ChecksumError),
    ],
)
def test_what_stays_is_an_error_and_nothing_of_the_shard_is_given(
    bucket: Bucket, faults: Any, effect: str, amount: int, error: type[ReadError]
) -> None:
    dataset = AISShardReader(bucket, config=CONFIG)
    getattr(faults, effect)(amount, contains="2.tar")
    found, raised = samples_before_error(dataset)
    assert type(raised) is error
    assert isinstance(raised, ReadError)
    assert raised.name == f"ais://{bucket.name}/2.tar"
    # All samples of the shards before, and none of this one.
    assert found == read_slowly([SMALL["0.tar"], SMALL["1.tar"]])
    in_worker = error_of(dataset, 2, "fork")
    assert type(in_worker) is error
    faults.clear()
    assert grouped(dataset) == EXPECTED


def test_unless_they_are_verified_damaged_bytes_pass(bucket: Bucket, faults: Any) -> None:
    faults.corrupt(520, contains="0.tar", times=1)
    found = grouped(AISShardReader(bucket, config=ReadConfig(retry=QUICK, verify=False)))
    assert names(found) == names(EXPECTED)
    assert found[1:] == EXPECTED[1:]
    assert found[0] != EXPECTED[0]


@pytest.mark.parametrize(("effect", "amount"), [("drop_after", 1_500_000), ("truncate", 1_500_000), ("status", 500)])
def test_chunks_that_break_off_are_gone_on_with(large: Bucket, faults: Any, effect: str, amount: int) -> None:
    fault = getattr(faults, effect)(amount, regex=r"\.tar$", times=4)
    assert grouped(AISShardReader(large, config=CONFIG)) == EXPECTED_LARGE
    assert fault.hits == 4


@pytest.mark.parametrize("chunk", [0, 2, 4])
def test_a_large_shard_with_a_wrong_byte_is_an_error_in_the_end(large: Bucket, faults: Any, chunk: int) -> None:
    # A range has no checksum of its own: only the whole tells.
    faults.corrupt(700_000, regex=r"\.tar$", after=chunk, times=1)
    found, raised = samples_before_error(AISShardReader(large, config=ReadConfig(retry=QUICK, in_flight=1)))
    assert type(raised) is ChecksumError
    assert raised.name == f"ais://{large.name}/large.tar"
    assert "damaged" in str(raised)
    assert len(found) < len(EXPECTED_LARGE)
    faults.clear()
    assert grouped(AISShardReader(large, config=CONFIG)) == EXPECTED_LARGE


# shards that change


@pytest.mark.parametrize("size", ["the same size", "another size"])
def test_a_shard_that_is_replaced_while_it_is_read_is_an_error(server: Any, size: str) -> None:
    other = [(name, bytes(reversed(body))) for name, body in LARGE] + (
        [] if size == "the same size" else [("z.x", b"1")]
    )
    with new_bucket(server.client(), indexed("large.tar", LARGE)) as bucket:
        samples = iter(AISShardReader(bucket, config=ReadConfig(budget=MIB, in_flight=1, retry=QUICK)))
        found = [next(samples)]
        put_all(bucket, {"large.tar": pack(other)})
        more, raised = samples_before_error(samples)
    assert isinstance(raised, ReadError)
    assert "large.tar" in str(raised)
    assert "replaced" in str(raised) or "changed" in str(raised)
    # None is made of both.
    assert grouped([*found, *more]) == EXPECTED_LARGE[: 1 + len(more)]


def test_a_shard_that_was_replaced_before_it_is_read_is_the_new_one(server: Any) -> None:
    with new_bucket(server.client(), {name: pack(files) for name, files in SMALL.items()}) as bucket:
        dataset = AISShardReader(bucket, config=CONFIG)
        assert grouped(dataset) == EXPECTED
        new = files_of("new", 5, ("jpg", "npy"))
        put_all(bucket, {"1.tar": pack(new)})
        found = grouped(dataset)
        assert names(found) == names(read_slowly([SMALL["0.tar"], new, SMALL["2.tar"], SMALL["3.tar"]]))
        assert {name: files["npy"] for name, files in found if files.get("npy")} == {
            f"new-{number:03}": body for number, (_, body) in enumerate(new[1::2])
        }
        bucket.object("2.tar").delete()
        before, raised = samples_before_error(dataset)
        assert isinstance(raised, ObjectNotFoundError)
        assert len(before) == 11


# what is read


def test_what_has_been_read_is_not_read_again_where_there_is_an_index(large: Bucket, faults: Any) -> None:
    requests = faults.delay(0.0, regex=r"\.tar$")

    def requests_of(dataset: Any) -> int:
        before = requests.hits
        assert len([name for name, _ in dataset]) > 0
        return int(requests.hits - before)

    whole = AISShardReader(large, config=CONFIG)
    assert requests_of(whole) == 5
    dataset = AISShardReader(large, config=CONFIG)
    list(islice(iter(dataset), 12))
    rest = AISShardReader(large, config=CONFIG)
    rest.load_state_dict(dataset.state_dict())
    # Four samples of sixteen.
    assert requests_of(rest) == 2
    for rank in range(4):
        assert requests_of(AISShardReader(large, config=CONFIG, rank=rank, world_size=4, batch_size=4)) == 2
    by_index = AISShardMapDataset(large, config=CONFIG)
    before = requests.hits
    assert grouped(by_index.__getitems__([3, 9])) == [EXPECTED_LARGE[3], EXPECTED_LARGE[9]]
    assert requests.hits - before == 2


# memory

# A process of its own, whose peak is that of the reading alone.
READ = """
import sys
from pathlib import Path
from aistore.sdk import Client
from aistorch import AISShardReader

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))

dataset = AISShardReader(client_url=sys.argv[1], urls_list="ais://one-large-shard")
dataset.index
idle = kilobytes("VmRSS")
print(sum(len(files["bin"]) for _, files in dataset))
with_index = kilobytes("VmHWM") - idle
Client(sys.argv[1]).bucket("one-large-shard").object("shard-000000.tar.idx").delete()
dataset = AISShardReader(client_url=sys.argv[1], urls_list="ais://one-large-shard")
print(sum(len(files["bin"]) for _, files in dataset))
print(with_index * 1024, (kilobytes("VmHWM") - idle) * 1024)
"""


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_the_shard(server: Any) -> None:
    bucket = server.client().bucket("one-large-shard").create()
    body = bytes(1_500_000)
    with ShardWriter(bucket, max_size=1 << 30) as writer:
        for number in range(200):
            writer.write(f"{number:03}", {"bin": body})
    command = [sys.executable, "-c", READ, server.endpoint]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    *read, with_index, without = map(int, output.split())
    assert read == [200 * len(body)] * 2
    assert with_index < 150 * MIB
    assert without < 150 * MIB
    bucket.delete()
