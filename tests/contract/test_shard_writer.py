"""Shards written to each server, read by others: Python's tarfile and webdataset."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
import requests
import xxhash
from aistore.sdk import Bucket, Client
from aistore.sdk.obj.multipart_upload import MultipartUpload

from aistorch import MemberIndex, RetryPolicy, ShardWriter
from aistorch.errors import (
    AccessDeniedError,
    ArgumentTypeError,
    BucketNotFoundError,
    EndpointUnreachableError,
    InvalidArgumentError,
    ObjectExistsError,
    UnclosedWriterWarning,
    WriteError,
)
from aistorch.shards import put as put_module
from tests.support.objects import content

if TYPE_CHECKING:
    from tests.contract.conftest import Server

MIB = 1 << 20
QUICK = RetryPolicy(attempts=3, backoff=0.01)

SAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"jpg": content("jpg", 3000), "cls": 3, "txt": "ü"}),
    ("d/plain", {"jpg": b"", "seg.png": content("seg", 512)}),
    ("dir.with.dots/日本 語/é%?#", {"json": '{"a": 1}'}),
    ("l" * 99, {"x": b"1"}),
    ("l" * 300, {"x": b"12", "y": b"123"}),
    (f"{'d' * 150}/{'e' * 90}", {"x": content("x", 100_000)}),
]
AS_BYTES = {"cls": b"3", "txt": "ü".encode(), "json": b'{"a": 1}'}
EXPECTED = [
    (key, {extension: AS_BYTES.get(extension, body) for extension, body in files.items()}) for key, files in SAMPLES
]


def read(bucket: Bucket, name: str) -> bytes:
    body = bucket.object(name).get_reader().read_all()
    assert isinstance(body, bytes)
    return body


def names_in(bucket: Bucket) -> list[str]:
    return sorted(entry.name for entry in bucket.list_all_objects())


def by_tarfile(archive: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert all(info.isreg() for info in tar)
        return [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]


def by_index(archive: bytes, index: MemberIndex) -> list[tuple[str, dict[str, bytes]]]:
    samples = [index.sample(number) for number in range(len(index))]
    return [(key, {extension: archive[at : at + size] for extension, at, size in files}) for key, files in samples]


def write_all(destination: Bucket | str, **options: Any) -> ShardWriter:
    with ShardWriter(destination, **options) as writer:
        for key, files in SAMPLES:
            writer.write(key, files)
    return writer


@contextmanager
def requests_seen() -> Iterator[list[str]]:
    """The requests that the SDK makes from here on: method and query."""
    seen: list[str] = []
    send = requests.Session.send

    def watching(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        seen.append(f"{request.method} {request.url}")
        return send(session, request, **options)

    with patch.object(requests.Session, "send", watching):
        yield seen


def test_others_read_what_was_written(ais: Server, bucket: Bucket, tmp_path: Path) -> None:
    writer = write_all(f"ais://{bucket.name}/some dir", client_url=ais.endpoint)
    [shard] = writer.shards
    archive = read(bucket, "some dir/shard-000000.tar")
    assert (shard.name, shard.samples, shard.size) == ("some dir/shard-000000.tar", len(SAMPLES), len(archive))
    files = [(f"{key}.{extension}", body) for key, files in EXPECTED for extension, body in files.items()]
    assert by_tarfile(archive) == files
    index = MemberIndex.from_bytes(read(bucket, "some dir/shard-000000.tar.idx"), shard.name)
    assert by_index(archive, index) == EXPECTED
    assert (index.shard_size, index.shard_checksum) == (len(archive), xxhash.xxh64_intdigest(archive))
    assert names_in(bucket) == [shard.name, f"{shard.name}.idx"]

    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    (tmp_path / "s.tar").write_bytes(archive)
    dataset = wds.WebDataset(str(tmp_path / "s.tar"), shardshuffle=False)
    found = [(each["__key__"], {name: each[name] for name in each if not name.startswith("__")}) for each in dataset]
    assert found == EXPECTED


def test_a_range_of_the_shard_is_what_the_index_says(bucket: Bucket) -> None:
    name = write_all(bucket).shards[0].name
    index = MemberIndex.from_bytes(read(bucket, f"{name}.idx"), name)
    for number, (_, files) in enumerate(EXPECTED):
        begin, end = index.span(number)
        if begin == end:
            continue
        part = bucket.object(name).get_reader(byte_range=f"bytes={begin}-{end - 1}").read_all()
        assert isinstance(part, bytes)
        _, members = index.sample(number)
        assert [part[at - begin : at - begin + size] for _, at, size in members] == list(files.values())


def test_a_sample_as_webdataset_has_it(bucket: Bucket) -> None:
    with ShardWriter(bucket) as writer:
        writer.write({"__key__": "k", "__url__": "elsewhere", "jpg": b"1", "cls": 2})
    assert by_tarfile(read(bucket, "shard-000000.tar")) == [("k.jpg", b"1"), ("k.cls", b"2")]


def test_large_shards_go_in_parts(bucket: Bucket) -> None:
    samples = {f"s{number}": content(f"s{number}", 7 * MIB + number) for number in range(8)}
    with ShardWriter(bucket, prefix="p", max_size=40 * MIB) as writer:
        for key, body in samples.items():
            writer.write(key, {"bin": body})
    assert [shard.samples for shard in writer.shards] == [5, 3]
    archives = [read(bucket, shard.name) for shard in writer.shards]
    assert [len(archive) for archive in archives] == [shard.size for shard in writer.shards]
    assert [member for archive in archives for member in by_tarfile(archive)] == [
        (f"{key}.bin", body) for key, body in samples.items()
    ]
    for shard, archive in zip(writer.shards, archives, strict=True):
        # What the server computed while the parts came.
        stored = bucket.object(shard.name).head(props="checksum").checksum_value
        index = MemberIndex.from_bytes(read(bucket, f"{shard.name}.idx"), shard.name)
        assert stored == xxhash.xxh64_hexdigest(archive) == f"{index.shard_checksum:016x}"


def test_a_shard_is_there_when_only_the_answer_was_lost(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = MultipartUpload.complete
    # As the SDK does where the answer to the first request is late.
    monkeypatch.setattr(MultipartUpload, "complete", lambda upload: (complete(upload), complete(upload)))
    with ShardWriter(bucket) as writer:
        for number in range(3):
            writer.write(str(number), {"bin": content(str(number), 7 * MIB)})
    assert len(by_tarfile(read(bucket, "shard-000000.tar"))) == 3


def test_the_same_samples_make_the_same_shards(bucket: Bucket) -> None:
    for prefix in ("one", "two"):
        write_all(bucket, prefix=prefix, max_count=2)
    names = [f"shard-{number:06d}.tar{suffix}" for number in range(3) for suffix in ("", ".idx")]
    assert names_in(bucket) == sorted(f"{prefix}/{name}" for prefix in ("one", "two") for name in names)
    assert all(read(bucket, f"one/{name}") == read(bucket, f"two/{name}") for name in names)


def test_shards_are_cut_by_count_or_by_size(bucket: Bucket) -> None:
    bodies = [1000, 1000, 9000, 200, 200, 200]
    with ShardWriter(bucket, max_count=2, max_size=6000, pattern="a-{}.tar", index=False) as writer:
        for number, size in enumerate(bodies):
            writer.write(str(number), {"x": bytes(size)})
    assert [shard.samples for shard in writer.shards] == [2, 1, 2, 1]  # the third is larger than a shard may be
    assert names_in(bucket) == ["a-0.tar", "a-1.tar", "a-2.tar", "a-3.tar"]
    assert all(shard.size <= 6000 or shard.samples == 1 for shard in writer.shards)


def test_nothing_written_leaves_nothing(bucket: Bucket) -> None:
    with ShardWriter(bucket) as writer:
        pass
    assert writer.shards == []
    assert names_in(bucket) == []


def test_an_exception_leaves_the_unfinished_shard_out(bucket: Bucket) -> None:
    writer = ShardWriter(bucket, max_count=3)

    def fail_in_the_second_shard() -> None:
        with writer:
            for number in range(5):
                writer.write(str(number), {"bin": bytes(9 * MIB)})
            raise ZeroDivisionError

    with requests_seen() as seen, pytest.raises(ZeroDivisionError):
        fail_in_the_second_shard()
    assert [shard.samples for shard in writer.shards] == [3]
    assert names_in(bucket) == ["shard-000000.tar", "shard-000000.tar.idx"]
    aborted = [each for each in seen if each.startswith("DELETE") and "uploadId=" in each]
    assert any("shard-000001.tar" in each for each in aborted)
    with pytest.raises(InvalidArgumentError, match="has given up: no more samples"):
        writer.write("7", {"x": b""})


def test_what_cannot_be_written_harms_no_other_sample(bucket: Bucket) -> None:
    with ShardWriter(bucket) as writer:
        writer.write("a", {"x": b"1"})
        with pytest.raises(ArgumentTypeError, match="sample 'b': 'y' is of type float"):
            writer.write("b", {"x": b"1", "y": 1.5})  # type: ignore[dict-item]
        with pytest.raises(InvalidArgumentError, match="sample 'a' is in this shard already"):
            writer.write("a", {"y": b"2"})
        with pytest.raises(InvalidArgumentError, match="cannot be the key"):
            writer.write("a.b", {"y": b"2"})
        writer.write("c", {"x": b"3"})
    assert by_tarfile(read(bucket, "shard-000000.tar")) == [("a.x", b"1"), ("c.x", b"3")]
    with pytest.raises(InvalidArgumentError, match="is closed: no more samples"):
        writer.write("d", {"x": b""})


def test_what_is_there_is_replaced_only_when_that_was_said(bucket: Bucket) -> None:
    bucket.object("shard-000001.tar").get_writer().put_content(b"precious")
    with pytest.raises(ObjectExistsError, match=r"shard-000001\.tar is there already: .*overwrite=True"):
        write_all(bucket, max_count=4)
    assert read(bucket, "shard-000001.tar") == b"precious"
    assert len(by_tarfile(read(bucket, "shard-000000.tar"))) == 7
    write_all(bucket, max_count=4, overwrite=True)
    assert len(by_tarfile(read(bucket, "shard-000001.tar"))) == 3


def test_a_shard_replaced_without_an_index_leaves_no_old_one(bucket: Bucket) -> None:
    write_all(bucket)
    write_all(bucket, overwrite=True, index=False)
    assert names_in(bucket) == ["shard-000000.tar"]


def test_a_bucket_that_does_not_exist_is_named(ais: Server) -> None:
    with pytest.raises(BucketNotFoundError, match=r"ais://nowhere does not exist at .*: create it first"):
        write_all("ais://nowhere", client_url=ais.endpoint)


def test_an_endpoint_where_nothing_listens_is_named() -> None:
    with pytest.raises(EndpointUnreachableError, match=r"http://127\.0\.0\.1:9"):
        write_all("ais://b", client_url="http://127.0.0.1:9")


def test_destinations_that_mean_nothing_are_refused(bucket: Bucket) -> None:
    with pytest.raises(ArgumentTypeError, match="destination must be an SDK bucket or a URL"):
        ShardWriter(5)  # type: ignore[arg-type]
    for prefix in ("/p", "p//", "p/../q"):
        with pytest.raises(InvalidArgumentError, match="cannot be the name of a shard"):
            ShardWriter(bucket, prefix=prefix)
    with pytest.raises(InvalidArgumentError, match="has a prefix already"):
        ShardWriter("ais://b/p", prefix="q", client_url="http://127.0.0.1:9")


def test_a_token_opens_the_door() -> None:
    server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
    with server.EmbeddedAIStore(targets=3, token="top-secret") as started:
        bucket = started.client().bucket("b").create()
        with ShardWriter(bucket) as writer:
            for number in range(3):
                writer.write(str(number), {"bin": bytes(7 * MIB)})
        assert len(by_tarfile(read(bucket, writer.shards[0].name))) == 3
        stranger = Client(started.endpoint, token="top-secret-and-wrong").bucket("b")
        with pytest.raises(AccessDeniedError, match="wants a valid token") as raised:
            write_all(stranger)
    assert "secret" not in str(raised.value)


@pytest.fixture(scope="module")
def faulty_server() -> Iterator[Any]:
    server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
    with server.EmbeddedAIStore(targets=3) as started:
        yield started


class TestFaults:
    """What goes wrong on the way, as only the embedded server can be told to do."""

    @pytest.fixture
    def server(self, faulty_server: Any) -> Iterator[Any]:
        bucket = faulty_server.client().bucket("b").create()
        yield faulty_server
        faulty_server.faults.clear()
        bucket.delete()

    def write(self, server: Any, megabytes: int, timeout: float = 20.0) -> ShardWriter:
        bucket = Client(server.endpoint, timeout=(3.0, timeout)).bucket("b")
        with ShardWriter(bucket, retry=QUICK) as writer:
            for number in range(megabytes):
                writer.write(str(number), {"bin": content(str(number), MIB)})
        return writer

    @pytest.mark.parametrize("megabytes", [1, 20])
    def test_a_server_that_is_busy_is_asked_again(self, server: Any, megabytes: int) -> None:
        fault = server.faults.status(503, method="PUT", times=2)
        writer = self.write(server, megabytes)
        assert fault.hits == 2
        members = by_tarfile(read(server.client().bucket("b"), writer.shards[0].name))
        assert [body for _, body in members] == [content(str(number), MIB) for number in range(megabytes)]

    @pytest.fixture
    def one_late_answer(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(put_module, "ASKING_SECONDS", 0.1)
        return server.faults.delay(2.0, method="PUT", times=1)

    def test_a_part_that_may_have_arrived_gives_its_shard_up(self, server: Any, one_late_answer: Any) -> None:
        with pytest.raises(WriteError, match=r"ais://b/shard-000000\.tar could not be written: TimeoutError"):
            self.write(server, 40, timeout=0.5)
        assert one_late_answer.hits == 1
        assert names_in(server.client().bucket("b")) == []

    def test_a_server_that_takes_long_to_complete_a_shard_is_asked_once(self, server: Any) -> None:
        fault = server.faults.delay(4.0, method="POST", after=1)
        self.write(server, 20, timeout=3.0)
        assert fault.hits == 1

    def test_a_shard_that_could_not_be_completed_is_an_error(self, server: Any) -> None:
        bucket = server.client().bucket("b")
        bucket.object("shard-000000.tar").get_writer().put_content(b"another")
        fault = server.faults.status(404, method="POST", after=1)
        with ShardWriter(bucket, retry=QUICK, overwrite=True) as writer:
            for number in range(20):
                writer.write(str(number), {"bin": content(str(number), MIB)})
            with pytest.raises(WriteError, match=r"shard-000000\.tar could not be written"):
                writer.close()
        assert fault.hits == 1
        assert read(bucket, "shard-000000.tar") == b"another"

    def test_a_refusal_for_want_of_a_token_tells_what_to_do(self, server: Any) -> None:
        server.faults.status(401, method="PUT")
        with pytest.raises(WriteError, match="wants a valid token") as raised:
            self.write(server, 1)
        assert raised.value.status_code == 401

    def test_a_small_shard_that_may_have_arrived_is_sent_again(self, server: Any, one_late_answer: Any) -> None:
        self.write(server, 1, timeout=0.5)
        assert one_late_answer.hits == 1
        assert len(by_tarfile(read(server.client().bucket("b"), "shard-000000.tar"))) == 1


WRITE = """
import resource, sys
from aistorch import ShardWriter

body = bytes(range(256)) * 4096
with ShardWriter("ais://b", client_url=sys.argv[1], max_size=1 << 30, index=True) as writer:
    writer.write("first", {"bin": body})
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(250):
        writer.write(str(number), {"bin": body})
assert len(writer.shards) == 1
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts kilobytes on Linux")
def test_a_shard_takes_less_memory_than_it_has_bytes() -> None:
    server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
    with server.EmbeddedAIStore() as started:
        started.client().bucket("b").create()
        command = [sys.executable, "-c", WRITE, started.endpoint]
        growth = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert growth < 80 * MIB, "the shard has 250 MiB"


def test_a_writer_that_is_never_closed_says_what_is_lost(bucket: Bucket) -> None:
    writer = ShardWriter(bucket, prefix="s", max_count=2)
    for number in range(5):
        writer.write(f"{number}", {"txt": "x"})
    with pytest.warns(UnclosedWriterWarning, match=r"1 samples of .*s/shard-000002\.tar were not stored.*close"):
        del writer
    assert [each.name for each in bucket.list_all_objects_iter() if each.name.endswith(".tar")] == [
        "s/shard-000000.tar",
        "s/shard-000001.tar",
    ]


def test_a_writer_that_is_closed_or_has_failed_says_nothing(bucket: Bucket) -> None:
    gc.collect()  # what others have left behind
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ShardWriter(bucket) as writer:
            writer.write("a", {"txt": "x"})
        with contextlib.suppress(ZeroDivisionError), ShardWriter(bucket, prefix="b") as writer:
            writer.write("a", {"txt": "x"})
            raise ZeroDivisionError
        ShardWriter(bucket, prefix="c")
        del writer
        gc.collect()


def test_a_program_that_ends_without_closing_says_so(ais: Server, bucket: Bucket) -> None:
    program = "import sys; from aistorch import ShardWriter; w = ShardWriter(sys.argv[1]); w.write('a', {'txt': 'x'})"
    script = [sys.executable, "-c", program, f"ais://{bucket.name}"]
    environment = os.environ | {"AIS_ENDPOINT": ais.endpoint}
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=environment)
    assert "1 samples of" in done.stderr
    assert "shard-000000.tar were not stored" in done.stderr
