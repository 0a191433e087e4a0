"""A target of a real cluster is killed while a dataset reads from it."""

from __future__ import annotations

import subprocess
import uuid

import pytest
from aistore.sdk import Bucket, Client

from aistorch import AISIterDataset, ReadConfig, RetryPolicy
from aistorch.errors import ReadError
from tests.support.cluster import Cluster, Node

OBJECTS = 300


@pytest.fixture
def bucket(cluster: Cluster) -> Bucket:
    made: Bucket = Client(cluster.endpoint).bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    for number in range(OBJECTS):
        made.object(f"{number:05d}").get_writer().put_content(content(number))
    return made


def content(number: int) -> bytes:
    return number.to_bytes(8, "little") * (100 + number)


def kill(node: Node) -> None:
    node.process.kill()
    node.process.wait()


def start_again(node: Node) -> None:
    node.process = subprocess.Popen(node.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.timeout(240)
def test_a_target_that_comes_back_costs_no_sample(cluster: Cluster, bucket: Bucket) -> None:
    # Few in flight, so that most of the reading happens after the loss.
    config = ReadConfig(in_flight=4, retry=RetryPolicy(attempts=60, backoff_max=1.0))
    samples = iter(AISIterDataset(bucket, config=config))
    got = [next(samples)]
    kill(cluster.nodes[2])
    start_again(cluster.nodes[2])
    got += samples
    assert got == [(f"{number:05d}", content(number)) for number in range(OBJECTS)]


@pytest.mark.timeout(240)
def test_a_target_that_stays_away_is_an_error_that_says_so(cluster: Cluster, bucket: Bucket) -> None:
    config = ReadConfig(in_flight=4, retry=RetryPolicy(attempts=4, backoff=0.05))
    dataset = AISIterDataset(bucket, config=config)
    samples = iter(dataset)
    got = [next(samples)]
    kill(cluster.nodes[2])
    with pytest.raises(ReadError) as caught:
        got += samples
    # All before the first object that the target held, each once and whole.
    assert got == [(f"{number:05d}", content(number)) for number in range(len(got))]
    assert caught.value.name == f"ais://{bucket.name}/{len(got):05d}"
    assert caught.value.attempts == 4
    assert f"127.0.0.1:{cluster.nodes[2].port}" in str(caught.value)
