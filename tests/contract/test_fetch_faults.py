"""Everything that goes wrong between a server and a dataset: each sample once and whole, or an error that tells why.

Faults are the embedded server's; what a real cluster does by itself is in `tests/cluster`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aistore.sdk import Bucket

from aistorch import AISIterDataset, AISMapDataset
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.errors import ChecksumError, ObjectNotFoundError, ReadError, TruncatedReadError
from aistorch.fetch.pool import engines
from tests.support.loading import error_of, load
from tests.support.objects import content, in_order, new_bucket

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")

SIZES = [1, 100, 4096, 70_000, 200_000]
CONTENTS = {f"o{number:03}": content(f"faults{number}", SIZES[number % len(SIZES)]) for number in range(40)}
LARGE = {"large": content("large", 5 << 20)}
EXPECTED = in_order(CONTENTS | LARGE)
COUNT = len(EXPECTED)

QUICK = RetryPolicy(attempts=4, backoff=0.01, backoff_max=0.05, connect_timeout=2.0, read_timeout=5.0)
IMPATIENT = RetryPolicy(attempts=2, backoff=0.01, connect_timeout=2.0, read_timeout=0.3)


@pytest.fixture(scope="module", params=[1, 3], ids=["1-target", "3-targets"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with server_module.EmbeddedAIStore(targets=request.param) as server:
        yield server


# One target is the proxy, too: it cannot be missed, or know less than the proxy does.
several_targets = pytest.mark.parametrize("server", [3], indirect=True, ids=["3-targets"])


@pytest.fixture(scope="module")
def bucket(server: Any) -> Iterator[Bucket]:
    with new_bucket(server.client(), CONTENTS | LARGE) as bucket:
        yield bucket


@pytest.fixture
def faults(server: Any) -> Iterator[Any]:
    # Clusters are known anew in each test, as in a new process: what was learnt of one fault is of no use in the next.
    engines.clear()
    yield server.faults
    server.faults.clear()


def datasets(bucket: Bucket, retry: RetryPolicy = QUICK, **config: Any) -> list[Any]:
    """One by index, one in turn, both listed while all is well."""
    read = ReadConfig(retry=retry, **config)
    by_index, in_turn = AISMapDataset(bucket, config=read), AISIterDataset(bucket, config=read)
    assert len(by_index) == len(in_turn) == COUNT
    return [by_index, in_turn]


def read_all(dataset: Any) -> list[tuple[str, bytes]]:
    if isinstance(dataset, AISMapDataset):
        return dataset.__getitems__(list(range(len(dataset))))
    return list(dataset)


def error_of_reading(dataset: Any) -> Exception:
    try:
        read_all(dataset)
    except Exception as error:
        return error
    raise AssertionError("no error")


# what passes


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("kind", [0, 1])
def test_a_refusal_now_and_then(bucket: Bucket, faults: Any, status: int, kind: int) -> None:
    dataset = datasets(bucket)[kind]
    fault = faults.status(status, contains="o01", times=3)
    assert read_all(dataset) == EXPECTED
    assert fault.hits == 3


@several_targets
@pytest.mark.parametrize("kind", [0, 1])
def test_a_target_that_does_not_know_its_objects(bucket: Bucket, faults: Any, server: Any, kind: int) -> None:
    by_index, in_turn = datasets(bucket)
    # From the target alone: what the proxy says, by way of the very same target, is believed.
    fault = faults.status(404, target=by_index.index.target(5), contains=EXPECTED[5][0], times=1)
    assert read_all([by_index, in_turn][kind]) == EXPECTED
    assert fault.hits == 1


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("effect", "at"),
    [
        ("drop_after", 0),
        ("drop_after", 50),
        ("drop_after", 100_000),
        ("truncate", 0),
        ("truncate", 50),
        ("truncate", 100_000),
        ("corrupt", 0),
        ("corrupt", 150_000),
        ("shorten", 0),
        ("shorten", 60),
    ],
)
def test_damage_now_and_then(bucket: Bucket, faults: Any, effect: str, at: int, kind: int) -> None:
    dataset = datasets(bucket)[kind]
    fault = getattr(faults, effect)(at, times=5)
    assert read_all(dataset) == EXPECTED
    assert fault.hits == 5


def test_many_faults_at_once(bucket: Bucket, faults: Any) -> None:
    dataset = datasets(bucket, RetryPolicy(attempts=40, backoff=0.001, backoff_max=0.01))[1]
    hits = [
        faults.status(503, regex="[05]$", times=6),
        faults.drop_after(10, regex="[16]$", times=6),
        faults.truncate(1000, regex="[27]$", times=6),
        faults.corrupt(5, regex="[38]$", times=6),
        faults.delay(0.05, regex="[49]$", times=6),
    ]
    assert read_all(dataset) == EXPECTED
    assert [fault.hits for fault in hits] == [6] * 5


def test_workers_meet_faults(bucket: Bucket, faults: Any) -> None:
    by_index, in_turn = datasets(bucket, RetryPolicy(attempts=20, backoff=0.01))
    faults.status(503, times=5)
    faults.drop_after(20, times=5)
    faults.corrupt(0, times=5)
    assert load(by_index, 2, "fork", batch_size=4) == EXPECTED
    faults.status(503, times=5)
    faults.truncate(20, times=5)
    assert sorted(load(in_turn, 2, "fork", batch_size=4)) == EXPECTED


@pytest.mark.parametrize("split", [False, True])
def test_a_large_object_goes_on_where_its_connection_broke(bucket: Bucket, faults: Any, split: bool) -> None:
    config = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01), split_from=1 << (20 if split else 30))
    dataset = AISMapDataset(bucket, config=config)
    # More often than there are attempts: these are counted anew where a connection brought a good part.
    fault = faults.truncate(1_200_000, contains="large")
    assert dataset[0] == ("large", LARGE["large"])
    assert fault.hits >= 4
    fault.remove()
    dataset = AISMapDataset(bucket, config=ReadConfig(retry=RetryPolicy(attempts=30, backoff=0.0)))
    fault = faults.drop_after(1_200_000, contains="large", times=8)
    assert dataset[0] == ("large", LARGE["large"])
    assert fault.hits >= 4


def test_late_answers_keep_their_order(bucket: Bucket, faults: Any) -> None:
    fault = faults.delay(0.2, regex="[37]$", times=4)
    assert read_all(datasets(bucket)[1]) == EXPECTED
    assert fault.hits == 4


def test_a_slow_answer_is_asked_for_again(bucket: Bucket, faults: Any) -> None:
    dataset = datasets(bucket, IMPATIENT)[0]
    fault = faults.delay(3.0, contains="o007", times=1)
    began = time.monotonic()
    assert dataset[7 + 1] == EXPECTED[7 + 1]
    assert time.monotonic() - began < 2.9
    assert fault.hits == 1


def test_connections_that_the_server_closed_while_idle(bucket: Bucket, faults: Any, server: Any) -> None:
    # One attempt: that a kept connection has gone in the meantime must not count as one.
    by_index, in_turn = datasets(bucket, RetryPolicy(attempts=1))
    assert read_all(by_index) == EXPECTED
    nodes = [*server.target_endpoints]
    for node in nodes:
        faults.stop_target(node)
        faults.start_target(node)
    assert read_all(by_index) == EXPECTED
    assert read_all(in_turn) == EXPECTED


# nodes that come and go


@several_targets
@pytest.mark.parametrize("kind", [0, 1])
def test_objects_that_moved_since_they_were_listed(bucket: Bucket, faults: Any, server: Any, kind: int) -> None:
    target = next(iter(server.target_endpoints))
    dataset = datasets(bucket)[kind]
    assert read_all(dataset) == EXPECTED
    faults.relocate(target)
    assert read_all(dataset) == EXPECTED
    faults.relocate_back(target)
    assert read_all(dataset) == EXPECTED


@several_targets
def test_objects_that_move_while_they_are_read(bucket: Bucket, faults: Any, server: Any) -> None:
    targets = [*server.target_endpoints]
    dataset = datasets(bucket, in_flight=2)[1]
    samples = iter(dataset)
    found = [next(samples) for _ in range(5)]
    faults.relocate(targets[0])
    found += [next(samples) for _ in range(15)]
    faults.relocate_back(targets[0])
    faults.relocate(targets[1])
    assert [*found, *samples] == EXPECTED


@several_targets
def test_a_target_that_stops_is_an_error_that_names_it(bucket: Bucket, faults: Any, server: Any) -> None:
    by_index, in_turn = datasets(bucket)
    index = by_index.index
    stopped = next(iter(server.target_endpoints))
    lost = [position for position in range(COUNT) if index.target(position) == stopped]
    kept = [position for position in range(COUNT) if position not in lost]
    faults.stop_target(stopped)
    assert by_index.__getitems__(kept) == [EXPECTED[position] for position in kept]
    samples = iter(in_turn)
    # All before it are yielded.
    assert [next(samples) for _ in range(lost[0])] == EXPECTED[: lost[0]]
    error = error_of_reading(samples)
    assert isinstance(error, ReadError)
    assert error.name == f"ais://{bucket.name}/{EXPECTED[lost[0]][0]}"
    assert error.attempts == QUICK.attempts
    assert server.target_endpoints[stopped] in str(error)
    faults.start_target(stopped)
    assert read_all(by_index) == EXPECTED


@pytest.mark.parametrize("kind", [0, 1])
def test_a_target_that_comes_back_in_time(bucket: Bucket, faults: Any, server: Any, kind: int) -> None:
    stopped = [*server.target_endpoints][-1]
    dataset = datasets(bucket, RetryPolicy(attempts=30, backoff=0.05, backoff_max=0.1))[kind]
    assert read_all(dataset) == EXPECTED
    faults.stop_target(stopped)
    back = threading.Timer(0.5, faults.start_target, [stopped])
    back.start()
    assert read_all(dataset) == EXPECTED
    back.join()


@several_targets
def test_a_proxy_that_is_gone_does_not_stop_what_targets_have(bucket: Bucket, faults: Any, server: Any) -> None:
    by_index, in_turn = datasets(bucket)
    assert read_all(by_index) == EXPECTED
    faults.stop_proxy()
    assert read_all(by_index) == EXPECTED
    assert read_all(in_turn) == EXPECTED
    faults.start_proxy()


@several_targets
def test_a_proxy_that_comes_back_in_time(bucket: Bucket, faults: Any, server: Any) -> None:
    dataset = datasets(bucket, RetryPolicy(attempts=30, backoff=0.05, backoff_max=0.1), direct=False)[1]
    samples = iter(dataset)
    found = [next(samples) for _ in range(3)]
    faults.stop_proxy()
    back = threading.Timer(0.5, faults.start_proxy)
    back.start()
    assert [*found, *samples] == EXPECTED
    back.join()


@several_targets
def test_a_proxy_that_stays_away_is_an_error_that_names_it(bucket: Bucket, faults: Any, server: Any) -> None:
    dataset = datasets(bucket, direct=False)[0]
    faults.stop_proxy()
    error = error_of_reading(dataset)
    assert isinstance(error, ReadError)
    assert server.endpoint in str(error)
    assert error.attempts == QUICK.attempts
    faults.start_proxy()
    assert read_all(dataset) == EXPECTED


# what stays


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("effect", "amount", "error"),
    [
        ("status", 500, ReadError),
        ("status", 503, ReadError),
        ("status", 429, ReadError),
        ("status", 404, ObjectNotFoundError),
        ("status", 416, ReadError),
        ("drop_after", 20, TruncatedReadError),
        ("truncate", 20, TruncatedReadError),
        ("corrupt", 20, ChecksumError),
        ("shorten", 20, ChecksumError),
    ],
)
def test_what_does_not_pass_is_an_error_with_object_attempts_and_causes(
    bucket: Bucket, faults: Any, effect: str, amount: int, error: type[ReadError], kind: int
) -> None:
    dataset = datasets(bucket)[kind]
    fault = getattr(faults, effect)(amount, contains="o011")
    raised = error_of_reading(dataset)
    assert type(raised) is error
    assert raised.name == f"ais://{bucket.name}/o011"
    assert raised.attempts == len(raised.causes)
    if effect == "drop_after":
        # A reset may take an earlier reply with it: that one is to blame then, as far as can be seen.
        assert fault.hits >= raised.attempts
    else:
        # As often as it was asked for it was answered badly, and each time is told.
        assert fault.hits == raised.attempts
    if amount not in (404, 416):
        assert raised.attempts == QUICK.attempts
        assert f"after {QUICK.attempts} attempts" in str(raised)
    if effect == "status":
        assert raised.status_code == amount
        assert all(str(amount) in cause for cause in raised.causes)
    assert all("http://127.0.0.1" in cause for cause in raised.causes)
    fault.remove()
    assert read_all(dataset) == EXPECTED


def test_an_answer_that_never_comes_is_an_error(bucket: Bucket, faults: Any) -> None:
    dataset = datasets(bucket, IMPATIENT)[0]
    faults.delay(8.0, contains="o011")
    began = time.monotonic()
    with pytest.raises(ReadError, match=r"no answer for 0\.3 s") as raised:
        dataset[11 + 1]
    assert time.monotonic() - began < 6
    assert raised.value.attempts == IMPATIENT.attempts


def test_an_error_of_a_worker_tells_as_much(bucket: Bucket, faults: Any) -> None:
    by_index, in_turn = datasets(bucket)
    faults.status(503, contains="o011")
    for dataset in (by_index, in_turn):
        error = error_of(dataset, 2, "fork", batch_size=4)
        assert type(error) is ReadError
        assert f"ais://{bucket.name}/o011 could not be read after {QUICK.attempts} attempts" in str(error)
        assert "answered 503" in str(error)


def test_unless_they_are_verified_damaged_bytes_pass(bucket: Bucket, faults: Any) -> None:
    dataset = datasets(bucket, verify=False)[0]
    faults.corrupt(3, contains="o002")
    name, body = dataset[2 + 1]
    whole = CONTENTS["o002"]
    assert name == "o002"
    assert body != whole
    assert (body[:3], body[4:]) == (whole[:3], whole[4:])


def test_a_listing_that_fails_now_and_then(bucket: Bucket, faults: Any) -> None:
    fault = faults.status(503, area="buckets", times=1)
    assert list(AISIterDataset(bucket)) == EXPECTED
    assert fault.hits == 1


def test_without_a_map_of_the_cluster_the_proxy_is_asked(bucket: Bucket, faults: Any) -> None:
    faults.status(500, area="daemon")
    assert read_all(datasets(bucket)[0]) == EXPECTED


# GetBatch: the server cannot say what went wrong in the midst of it


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("effect", "amount"),
    [
        ("status", 404),
        ("status", 429),
        ("status", 500),
        ("status", 503),
        ("drop_after", 5000),
        ("truncate", 5000),
        ("corrupt", 5000),
        ("shorten", 5000),
    ],
)
def test_what_a_batch_lacks_is_read_by_itself(bucket: Bucket, faults: Any, effect: str, amount: int, kind: int) -> None:
    dataset = datasets(bucket, mode="batch")[kind]
    fault = getattr(faults, effect)(amount, area="ml", method=None)
    began = time.monotonic()
    assert read_all(dataset) == EXPECTED
    # The SDK would try again for a minute and a half.
    assert time.monotonic() - began < 20
    assert fault.hits == 1


def test_an_object_missing_from_a_batch_is_an_error_that_names_it(bucket: Bucket, faults: Any) -> None:
    config = ReadConfig(mode="batch", retry=QUICK)
    dataset = AISIterDataset([bucket, bucket.objects(obj_names=["o001", "missing", "o002"])], config=config)
    samples = iter(dataset)
    found = [next(samples) for _ in range(COUNT)]
    error = error_of_reading(samples)
    assert found == EXPECTED
    assert isinstance(error, ObjectNotFoundError)
    assert error.name == f"ais://{bucket.name}/missing"
