"""Whatever sizes are mixed and whatever goes wrong on the way: the SDK's bytes, in the order asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import xxhash
from aistore.sdk import Bucket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aistorch import AISIterDataset, AISMapDataset, ReadConfig, RetryPolicy
from aistorch.server import EmbeddedAIStore
from aistorch.server.faults import Faults

KIB, MIB = 1 << 10, 1 << 20
# Around each size at which the way of reading changes, and up to 64 MiB.
SIZES = [0, 1, 100, 4 * KIB, 64 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB - 7, 3 * MIB, 17 * MIB, 64 * MIB]
PATIENT = RetryPolicy(attempts=40, backoff=0.001, backoff_max=0.01, read_timeout=5)


@dataclass(frozen=True)
class Stored:
    """Objects on a server, and what the SDK's own reader says of them."""

    faults: Faults
    targets: tuple[str, ...]
    bucket: Bucket
    digests: dict[str, int]


@pytest.fixture(scope="module")
def stored() -> Iterator[Stored]:
    content = random.Random(0).randbytes(MIB)
    with EmbeddedAIStore(targets=3) as server:
        client = server.client()
        bucket = client.bucket("mixed").create()
        names = [f"{size}-{copy}" for size in SIZES for copy in range(3 if size < 3 * MIB else 1)]
        for number, name in enumerate(names):
            size = int(name.split("-")[0])
            body = (bytes([number]) + content * (size // MIB + 1))[:size]
            bucket.object(name).get_writer().put_content(body)
        digests = {name: xxhash.xxh64_intdigest(bucket.object(name).get_reader().read_all()) for name in names}
        yield Stored(server.faults, tuple(client.cluster().get_info().tmap), bucket, digests)


FAULTS: dict[str, Callable[[Faults, int, int], object]] = {
    "drop": lambda faults, at, times: faults.drop_after(at, times=times),
    "truncate": lambda faults, at, times: faults.truncate(at, times=times),
    "shorten": lambda faults, at, times: faults.shorten(at, times=times),
    "corrupt": lambda faults, at, times: faults.corrupt(at, times=times),
    "delay": lambda faults, at, times: faults.delay(at % 20 / 1000, times=times),
    "busy": lambda faults, at, times: faults.status(429, times=times),
    "unavailable": lambda faults, at, times: faults.status(503, after=at % 5, times=times),
    "broken": lambda faults, at, times: faults.status(500, times=times),
}

# A 404 of the target that was listed only says to ask the proxy; one that the proxy led to is believed, so that it must
# not meet a read that was sent to the proxy by another fault.
ELSEWHERE = "elsewhere"

fault_lists = st.lists(
    st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 5 * MIB), st.integers(1, 3)), max_size=4
) | st.tuples(st.just(ELSEWHERE), st.integers(0, 2), st.just(1)).map(lambda fault: [fault])
configs = st.builds(
    ReadConfig,
    budget=st.sampled_from([1, MIB, 64 * MIB]),
    in_flight=st.sampled_from([None, 1, 7, 64]),
    split_from=st.sampled_from([MIB, 16 * MIB]),
    retry=st.just(PATIENT),
)


def go_wrong(stored: Stored, faults: list[tuple[str, int, int]]) -> None:
    stored.faults.clear()
    for kind, at, times in faults:
        if kind == ELSEWHERE:
            stored.faults.status(404, target=stored.targets[at % len(stored.targets)], times=times)
        else:
            FAULTS[kind](stored.faults, at, times)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), faults=fault_lists, config=configs)
@pytest.mark.timeout(600)
def test_any_sizes_and_any_faults_give_the_bytes_of_the_sdk_in_order(
    stored: Stored, data: st.DataObject, faults: list[tuple[str, int, int]], config: ReadConfig
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(stored.digests)), min_size=1, max_size=20, unique=True))
    go_wrong(stored, faults)
    dataset = AISIterDataset(stored.bucket.objects(obj_names=names), config=config)
    got = [(name, xxhash.xxh64_intdigest(content)) for name, content in dataset]
    assert got == [(name, stored.digests[name]) for name in names]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=fault_lists, config=configs)
@pytest.mark.timeout(600)
def test_out_of_order_nothing_is_missing_or_twice(
    stored: Stored, faults: list[tuple[str, int, int]], config: ReadConfig
) -> None:
    go_wrong(stored, faults)
    anyhow = ReadConfig(config.budget, config.in_flight, in_order=False, split_from=config.split_from, retry=PATIENT)
    got = [(name, xxhash.xxh64_intdigest(content)) for name, content in AISIterDataset(stored.bucket, config=anyhow)]
    assert sorted(got) == sorted(stored.digests.items())


@pytest.mark.timeout(300)
def test_of_ten_thousand_damaged_replies_none_is_delivered(stored: Stored) -> None:
    names = [name for name in stored.digests if 0 < int(name.split("-")[0]) <= 4 * KIB]
    stored.faults.clear()
    fault = stored.faults.corrupt(0, times=10_000)
    config = ReadConfig(retry=RetryPolicy(attempts=1000, backoff=0, read_timeout=5))
    dataset = AISMapDataset(stored.bucket.objects(obj_names=names), config=config)
    rounds = 0
    while fault.hits < 10_000:
        rounds += 1
        samples = dataset.__getitems__(list(range(len(names))) * 20)
        assert all(xxhash.xxh64_intdigest(content) == stored.digests[name] for name, content in samples)
    assert rounds
