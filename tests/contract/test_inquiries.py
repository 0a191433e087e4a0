"""A server that takes long to look into a shard keeps nobody who has left. Faults are the embedded server's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardReader, ReadConfig
from tests.support.objects import new_bucket
from tests.support.shards import files_of, grouped, read_slowly
from tests.support.tars import pack

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")

SHARDS = {f"{number}.tar": files_of(f"s{number}", 5, size=3000) for number in range(4)}
SMALL = ReadConfig(budget=1024)  # shards are too large to be held back, so that the server is asked
LONG = 60.0


@pytest.fixture  # one for each test: what is left of a question counts as a request
def server() -> Iterator[Any]:
    with server_module.EmbeddedAIStore() as server:
        yield server


@pytest.fixture
def bucket(server: Any) -> Iterator[Bucket]:
    with new_bucket(server.client(), {name: pack(files) for name, files in SHARDS.items()}) as bucket:
        yield bucket


def test_leaving_does_not_wait_for_the_server(server: Any, bucket: Bucket) -> None:
    dataset = AISShardReader(bucket, config=SMALL)
    dataset.prepare()
    assert len(dataset.index) == 4
    slow = server.faults.delay(LONG, area="buckets", after=1)
    samples: Any = iter(dataset)
    begun = time.monotonic()
    assert grouped([next(samples)]) == read_slowly(SHARDS.values())[:1]  # the first shard was told of at once
    while not slow.hits:  # the second one is asked for
        assert time.monotonic() - begun < LONG / 2
        time.sleep(0.01)
    samples.close()
    assert time.monotonic() - begun < LONG / 2
    server.faults.clear()
    assert grouped([*dataset]) == read_slowly(SHARDS.values())


PROGRAM = """
import sys
from aistorch import AISShardReader, ReadConfig

dataset = AISShardReader(client_url=sys.argv[1], urls_list=sys.argv[2], config=ReadConfig(budget=1024))
samples = iter(dataset)
print(next(samples)[0], flush=True)
assert sys.stdin.readline() == "go on\\n"
if sys.argv[3] == "close":
    samples.close()
"""


@pytest.mark.parametrize("end", ["close", "leave"])
def test_a_process_ends_while_the_server_is_asked(server: Any, bucket: Bucket, end: str) -> None:
    slow = server.faults.delay(10 * LONG, area="buckets", after=2)  # the listing of the bucket, and the first shard
    command = [sys.executable, "-c", PROGRAM, server.endpoint, f"ais://{bucket.name}", end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "s0-000\n"
            while not slow.hits and process.poll() is None:
                time.sleep(0.01)
            process.communicate("go on\n", timeout=LONG)
        finally:
            process.kill()
    assert process.returncode == 0
