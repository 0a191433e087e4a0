"""Objects read through an ETL: by all datasets, with arguments, from an ETL that starts, fails, stops."""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import requests
import tenacity
from aistore.sdk import Bucket, Client
from aistore.sdk.batch.batch import Batch
from aistore.sdk.errors import AISError, ErrETLAlreadyExists, ErrETLNotFound
from aistore.sdk.etl import ETLConfig
from aistore.sdk.etl.etl import Etl
from aistore.sdk.etl.webserver.http_multi_threaded_server import HTTPMultiThreadedServer
from aistore.sdk.obj.object import Object
from aistore.sdk.retry_config import RetryConfig
from urllib3 import Retry

from aistorch import AISBatchIterDataset, AISDataset, AISIterDataset, AISMapDataset, AISParallelMapDataset
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.datasets.object_buffer import ObjectBuffer
from aistorch.errors import ArgumentTypeError, ObjectNotFoundError, TransformError
from aistorch.fetch.request import Request
from tests.contract.conftest import Server
from tests.support.loading import error_of, load
from tests.support.objects import content, new_bucket

_NEEDS = "ETLs of a real cluster run in Kubernetes: set AIS_ENDPOINT to a cluster that has it"

CONTENTS = {f"o{size}": content(f"etl{size}", size) for size in (0, 1, 4096, 300_000, 2_000_000)}
CONTENTS |= {f"s{number:02}": b"%d" % number for number in range(20)}
KINDS = [AISMapDataset, AISIterDataset, AISDataset, AISBatchIterDataset, AISParallelMapDataset]
QUICK = ReadConfig(retry=RetryPolicy(attempts=4, backoff=0.01))


@pytest.fixture(scope="module", params=["embedded-1", "embedded-3", "cluster"])
def ais(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Servers that run what the SDK's `init_class` sends."""
    if request.param == "cluster":
        endpoint = os.environ.get("AIS_ENDPOINT", "")
        if not endpoint or not requests.get(f"{endpoint}/v1/etl", timeout=10).ok:
            pytest.skip(_NEEDS)
        yield Server(endpoint, embedded=False, targets=len(Client(endpoint).cluster().get_info().tmap))
        return
    server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
    targets = int(request.param.removeprefix("embedded-"))
    with server.EmbeddedAIStore(targets=targets, allow_code=True) as embedded:
        yield Server(embedded.endpoint, embedded=True, targets=targets)


def transformer() -> Any:
    """The class of an ETL; made here, so that it is sent whole, and not by a name that the server does not know."""

    class Transformer(HTTPMultiThreadedServer):
        def __init__(self) -> None:
            import os
            import time

            super().__init__()
            while os.environ.get("GATE") and not os.path.exists(os.environ["GATE"]):
                time.sleep(0.01)
            if os.environ.get("BROKEN"):
                raise RuntimeError("no model")

        def transform(self, data: bytes | str, path: str, etl_args: str) -> bytes:
            assert isinstance(data, bytes)
            if data.startswith(b"bad"):
                raise ValueError(f"cannot decode {len(data)} bytes")
            return data[::-1] * 2 + etl_args.encode()

    return Transformer


def expected(arguments: str = "") -> dict[str, bytes]:
    return {name: data[::-1] * 2 + arguments.encode() for name, data in CONTENTS.items()}


def new_etl(ais: Server) -> Etl:
    etl: Etl = ais.client().etl(f"test-{uuid.uuid4().hex[:12]}")
    return etl


@pytest.fixture(scope="module")
def etl(ais: Server) -> Iterator[str]:
    """An ETL that runs."""
    made = new_etl(ais)
    made.init_class()(transformer())
    yield made.name
    made.delete()


@pytest.fixture(scope="module")
def bucket(ais: Server) -> Iterator[Bucket]:
    with new_bucket(ais.client(), CONTENTS) as made:
        yield made


def dataset_of(kind: Any, bucket: Bucket, etl: Any, config: ReadConfig | None = None) -> Any:
    return kind(ais_source_list=[bucket], etl_name=etl, config=config)


def loaded(dataset: Any, *args: Any, **options: Any) -> dict[str, bytes]:
    """All contents, those in buffers too; each object must come once."""
    samples = load(dataset, *args, **options)
    found = {name: bytes(content) for name, content in samples}
    assert len(found) == len(samples)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_datasets_read_what_the_etl_makes(kind: Any, workers: int, bucket: Bucket, etl: str) -> None:
    assert loaded(dataset_of(kind, bucket, etl), workers, "fork", batch_size=4) == expected()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "seen"), [("50% & more", "50% & more"), ({"w": 2, "f": "ü"}, '{"w":2,"f":"\\u00fc"}')]
)
def test_arguments_reach_the_etl(kind: Any, given: Any, seen: str, bucket: Bucket, etl: str) -> None:
    dataset = pickle.loads(pickle.dumps(dataset_of(kind, bucket, ETLConfig(etl, args=given))))
    assert loaded(dataset, batch_size=8) == expected(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_no_etl_is_named(kind: Any, bucket: Bucket) -> None:
    for nothing in ("", ETLConfig(), None):
        assert loaded(dataset_of(kind, bucket, nothing), batch_size=8) == CONTENTS
    with pytest.raises(ArgumentTypeError, match="etl_name must be a str or an ETLConfig, not int"):
        dataset_of(kind, bucket, 3)


def test_the_sdk_reads_the_same(ais: Server, bucket: Bucket, etl: str) -> None:
    name = "o300000"
    assert bucket.object(name).get_reader(etl=ETLConfig(etl, args="x")).read_all() == expected("x")[name]
    twice = ais.client().etl(etl) >> ais.client().etl(etl)
    assert bucket.object(name).get_reader(etl=ETLConfig(twice)).read_all() == expected()[name][::-1] * 2
    assert AISMapDataset([bucket], {bucket: name}, ETLConfig(twice))[0] == (name, expected()[name][::-1] * 2)


def test_head_tells_of_the_object_as_it_is_stored(ais: Server, bucket: Bucket, etl: str) -> None:
    url = f"{ais.endpoint}/v1/objects/{bucket.name}/o4096"
    head = requests.head(url, params={"provider": "ais", "etl_name": etl}, allow_redirects=True, timeout=10)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "4096")


def test_a_transformed_object_has_no_checksum_and_no_ranges(ais: Server, bucket: Bucket, etl: str) -> None:
    url = f"{ais.endpoint}/v1/objects/{bucket.name}/o4096"
    params = {"provider": "ais", "etl_name": etl}
    reply = requests.get(url, params=params, headers={"Range": "bytes=0-9"}, timeout=10)
    assert (reply.status_code, reply.content) == (200, expected()["o4096"])
    assert "Ais-Checksum-Value" not in reply.headers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_an_object_that_the_etl_cannot_take_is_named(kind: Any, workers: int, ais: Server, etl: str) -> None:
    with new_bucket(ais.client(), {"a": b"good", "b": b"bad one"}) as bucket:
        error = error_of(dataset_of(kind, bucket, etl), workers, "fork")
        assert isinstance(error, TransformError)
        assert f"ais://{bucket.name}/b could not be transformed" in str(error)
        assert f"the ETL '{etl}'" in str(error)
        if ais.embedded:  # the SDK's own server keeps the cause in its log
            assert "ValueError: cannot decode 7 bytes" in str(error)


# GetBatch knows no ETL, and AIStore no range of what one makes


@pytest.mark.parametrize("mode", ["batch", "auto"])
def test_getbatch_is_not_asked(mode: Any, ais: Server, bucket: Bucket, etl: str) -> None:
    dataset = AISBatchIterDataset(bucket, ais.client(), etl_name=etl, max_batch_size=3, config=ReadConfig(mode=mode))
    with patch.object(Batch, "get", side_effect=AssertionError("GetBatch was asked")):
        assert list(dataset) == sorted(expected().items())
        shuffled = AISBatchIterDataset(bucket, etl_name=etl, shuffle=True, seed=5)
        samples = iter(shuffled)
        taken = [next(samples) for _ in range(9)]
        resumed = AISBatchIterDataset(bucket, etl_name=etl, shuffle=True, seed=5)
        resumed.load_state_dict(shuffled.state_dict())
        assert dict(taken + list(resumed)) == expected()
        assert len(dataset) == len(expected())


def fails_in_places(number: int) -> bytes:
    return b"bad" if number % 4 == 1 else b"%d" % number


class Chosen(AISBatchIterDataset):
    def _create_objects_iter(self, sources: Any = None) -> Iterator[Object]:
        yield from super()._create_objects_iter(sources)


@pytest.mark.parametrize("kind", [AISBatchIterDataset, Chosen])
@pytest.mark.parametrize("with_client", [False, True])
def test_what_the_etl_cannot_take_is_left_out_where_asked(
    kind: Any, with_client: bool, ais: Server, etl: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_that_asks_once(ais)
    contents = {f"o{number:02}": fails_in_places(number) for number in range(12)}
    with new_bucket(client, contents) as bucket:
        given = client if with_client else None
        dataset = kind(bucket, given, max_batch_size=5, cont_on_err=True, etl_name=etl)
        with caplog.at_level(logging.WARNING, "aistorch"):
            assert list(dataset) == [(name, data[::-1] * 2) for name, data in contents.items() if data != b"bad"]
        assert [f"ais://{bucket.name}/o{number:02} " in caplog.text for number in (0, 1, 5, 9)] == [False] + [True] * 3
        with pytest.raises(TransformError, match=f"ais://{bucket.name}/o01 could not be transformed"):
            list(kind(bucket, given, max_batch_size=5, etl_name=etl))


def client_that_asks_once(ais: Server) -> Client:
    """What a subclass chooses is read by the SDK, whose client asks a failing ETL for 90 s else."""
    http = Retry(0, redirect=None, status_forcelist=[500])
    network = tenacity.Retrying(stop=tenacity.stop_after_attempt(1), reraise=True)
    return Client(ais.endpoint, retry_config=RetryConfig(http, network))


@pytest.mark.parametrize("num_workers", [0, 1, 8])
def test_large_objects_come_whole(num_workers: int, ais: Server, etl: str) -> None:
    large = content("large", 20 << 20)
    with new_bucket(ais.client(), {"large": large, "small": b"ab"}) as bucket:
        dataset = AISParallelMapDataset(bucket, num_workers=num_workers, etl_name=etl)
        with patch.object(Request, "split", side_effect=AssertionError("ranges were asked for")):
            samples = pickle.loads(pickle.dumps(dataset)).__getitems__([1, 0])
    assert [type(body) for _, body in samples] == [ObjectBuffer if num_workers else bytes] * 2
    assert [(name, bytes(body)) for name, body in samples] == [("small", b"baba"), ("large", large[::-1] * 2)]


def test_a_failing_object_is_not_asked_for_again_and_again(ais: Server, etl: str) -> None:
    with new_bucket(ais.client(), {"b": b"bad"}) as bucket:
        error = error_of(dataset_of(AISMapDataset, bucket, etl))
    assert isinstance(error, TransformError)
    assert error.attempts == 2


def test_an_object_that_is_missing_is_no_failure_of_the_etl(ais: Server, etl: str) -> None:
    with new_bucket(ais.client(), {"a": b"1", "b": b"2"}) as bucket:
        dataset = dataset_of(AISMapDataset, bucket, etl, QUICK)
        bucket.object("b").delete()
        assert dataset[0] == ("a", b"11")
        with pytest.raises(ObjectNotFoundError, match=f"ais://{bucket.name}/b does not exist"):
            dataset[1]


def test_objects_that_a_subclass_chooses_go_through_the_etl(bucket: Bucket, etl: str) -> None:
    class Chosen(AISMapDataset):
        def __init__(self, etl: str) -> None:
            super().__init__([bucket], etl_name=etl)
            self._obj_list: list[Object] = [bucket.object("s03")]

    assert Chosen(etl)[0] == ("s03", b"33")
    with pytest.raises(TransformError, match=f"ais://{bucket.name}/s03 could not be transformed"):
        Chosen("no-such-etl")[0]


@pytest.mark.parametrize("kind", [AISMapDataset, AISIterDataset])
def test_an_etl_that_starts_is_waited_for(kind: Any, ais: Server, bucket: Bucket, tmp_path: Path) -> None:
    if not ais.embedded:
        pytest.skip("nothing can hold a pod back")
    gate, made = tmp_path / "gate", new_etl(ais)
    found: dict[str, bytes] = {}
    starting = threading.Thread(target=lambda: made.init_class(GATE=str(gate))(transformer()))
    starting.start()
    wait_for_stage(ais, made.name, "Initializing")
    reading = threading.Thread(target=lambda: found.update(load(dataset_of(kind, bucket, made.name))))
    reading.start()
    reading.join(0.3)
    assert reading.is_alive()
    assert found == {}
    gate.touch()
    starting.join(30)
    reading.join(30)
    assert found == expected()
    made.delete()


def wait_for_stage(ais: Server, name: str, stage: str) -> None:
    deadline = time.monotonic() + 20
    while name not in [each.id for each in ais.client().cluster().list_etls([stage])]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_etl_that_was_stopped_is_not_waited_for(ais: Server, bucket: Bucket) -> None:
    made = new_etl(ais)
    made.init_class()(transformer())
    dataset = dataset_of(AISMapDataset, bucket, made.name)
    assert dataset[0] == ("o0", b"")
    made.stop()
    with pytest.raises(TransformError, match=f"ais://{bucket.name}/o1 could not be transformed") as raised:
        dataset[1]
    assert (raised.value.status_code, raised.value.attempts) == (404, 1)
    made.start()
    assert dataset[1] == ("o1", CONTENTS["o1"] * 2)
    made.delete()


def test_the_life_of_an_etl(ais: Server, bucket: Bucket) -> None:
    cluster, made = ais.client().cluster(), new_etl(ais)
    with pytest.raises(ErrETLNotFound):
        made.view()
    made.init_class(obj_timeout="30s")(transformer())
    with pytest.raises(ErrETLAlreadyExists):
        made.init_class()(transformer())

    bucket.object("s07").get_reader(etl=ETLConfig(made.name)).read_all()
    info = next(each for each in cluster.list_etls() if each.id == made.name)
    assert info.xaction_id
    assert (info.stage, info.obj_count) == ("Running", 1)
    details = made.view()
    assert (details.init_msg.name, details.init_msg.obj_timeout) == (made.name, "30s")
    assert details.init_msg.communication == "hpush://"
    assert not details.obj_errors

    made.stop()
    made.stop()
    assert made.name in [each.id for each in cluster.list_etls(["Aborted"])]
    assert made.name not in [each.id for each in cluster.list_etls()]
    made.start()
    with pytest.raises(AISError, match="during Running stage"):
        made.start()
    made.delete()
    for call in (made.view, made.start, made.stop, made.delete):
        with pytest.raises(ErrETLNotFound):
            call()
    assert made.name not in [each.id for each in cluster.list_etls(["Running", "Aborted"])]


def test_what_failed_is_in_details_and_logs(ais: Server) -> None:
    made = new_etl(ais)
    with made, new_bucket(ais.client(), {"b": b"bad"}) as bucket:
        made.init_class()(transformer())
        error_of(dataset_of(AISMapDataset, bucket, made.name, QUICK))
        errors = made.view().obj_errors or []
        assert {(each.obj_name, each.ecode) for each in errors} == {(f"ais://{bucket.name}/b", 500)}
        if ais.embedded:
            assert "in transform\n" in "".join(each.logs for each in made.logs())
            [of_one] = made.logs(next(iter(ais.client().cluster().get_info().tmap)))
            assert "ValueError: cannot decode 3 bytes" in of_one.logs


def test_an_etl_whose_code_cannot_start(ais: Server, bucket: Bucket) -> None:
    if not ais.embedded:
        pytest.skip("a pod that cannot start is started again and again")
    made = new_etl(ais)
    with pytest.raises(AISError, match="cannot start: RuntimeError: no model"):
        made.init_class(BROKEN="1")(transformer())
    assert made.name in [each.id for each in ais.client().cluster().list_etls(["Aborted"])]
    with pytest.raises(AISError, match="no model"):
        made.start()
    made.delete()


@pytest.fixture
def target(ais: Server) -> Iterator[Bucket]:
    made = ais.client().bucket(f"test-{uuid.uuid4().hex[:12]}")
    yield made
    made.delete(missing_ok=True)


def all_of(bucket: Bucket) -> dict[str, Any]:
    return {entry.name: bucket.object(entry.name).get_reader().read_all() for entry in bucket.list_all_objects()}


def test_a_bucket_is_transformed_into_another(ais: Server, bucket: Bucket, target: Bucket, etl: str) -> None:
    job = bucket.transform(etl, target, prefix_filter="o", prepend="p/")
    assert ais.client().job(job).wait(timeout=10, verbose=False).success
    assert all_of(target) == {f"p/{name}": data for name, data in expected().items() if name[0] == "o"}
    listed = bucket.objects(obj_names=["s01", "s02"]).transform(target, etl_name=etl, prepend="q/")
    for job in [listed] if isinstance(listed, str) else listed:
        assert ais.client().job(job).wait(timeout=10, verbose=False).success
    assert target.object("q/s02").get_reader().read_all() == b"22"
    with pytest.raises(AISError):
        bucket.transform("no-such-etl", target)


@pytest.mark.parametrize("lenient", [False, True])
def test_an_object_that_fails_ends_the_job_unless_told_otherwise(
    ais: Server, target: Bucket, etl: str, lenient: bool
) -> None:
    if not ais.embedded:
        pytest.skip("AIStore's targets go on for a while")
    with new_bucket(ais.client(), {"a": b"bad", "b": b"xy"}) as source:
        job = source.transform(etl, target, cont_on_err=lenient)
        result = ais.client().job(job).wait(timeout=10, verbose=False)
    assert not result.success
    assert "cannot decode 3 bytes" in (result.error or "")
    assert all_of(target) == ({"b": b"yxyx"} if lenient else {})


def test_an_object_is_copied_through_an_etl(bucket: Bucket, target: Bucket, etl: str) -> None:
    target.create()
    bucket.object("s05").copy(target.object("copy"), etl=ETLConfig(etl, args="!"))
    assert target.object("copy").get_reader().read_all() == b"55!"
