"""Large objects pass through the server without being held in its memory."""

from __future__ import annotations

import gzip
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aistore.sdk import ArchiveConfig, Bucket

from aistorch.server import EmbeddedAIStore

MIB = 1 << 20
SIZE = 192 * MIB
ALLOWED = 130 * MIB

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory's peak from /proc")


@pytest.fixture(scope="module")
def ais() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=1) as server:
        yield server


@pytest.fixture(scope="module")
def bucket(ais: EmbeddedAIStore) -> Bucket:
    """With `large`, and `large.tar` that holds the same twice, the second time behind the first."""
    made: Bucket = ais.client().bucket("large").create()
    upload = made.object("large").multipart_upload().create()
    for number in range(1, SIZE // (64 * MIB) + 1):
        upload.add_part(number).put_content(bytes(64 * MIB))
    upload.complete()
    wait(ais, made.objects(obj_names=["large"]).archive("large.tar")[0])
    wait(ais, made.objects(obj_names=["large"]).archive("large.tar", allow_append=True)[0])
    return made


@pytest.fixture(autouse=True)
def _memory_is_bounded(ais: EmbeddedAIStore, bucket: Bucket) -> Iterator[None]:
    yield
    print(peak(ais) / MIB)
    assert peak(ais) < ALLOWED


def peak(ais: EmbeddedAIStore) -> int:
    lines = Path(f"/proc/{ais.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def wait(ais: EmbeddedAIStore, job: str) -> None:
    assert ais.client().job(job).wait(timeout=60, verbose=False).success


def test_parts_archives_and_appending(bucket: Bucket) -> None:
    assert bucket.object("large").props.size == SIZE
    assert 2 * SIZE < bucket.object("large.tar").props.size < 2 * SIZE + MIB


def test_one_archived_file(bucket: Bucket) -> None:
    reader = bucket.object("large.tar").get_reader(archive_config=ArchiveConfig(archpath="large"))
    assert sum(map(len, reader)) == SIZE


@pytest.mark.parametrize("form", [".tar", ".tgz"])
def test_a_batch(ais: EmbeddedAIStore, bucket: Bucket, form: str) -> None:
    batch = ais.client().batch(["large"], bucket, output_format=form).add("large.tar", archpath="large")
    with batch.get(raw=True) as response:
        plain = gzip.GzipFile(fileobj=response) if form == ".tgz" else response
        with tarfile.open(fileobj=plain, mode="r|", bufsize=MIB) as tar:
            assert [info.size for info in tar] == [SIZE, SIZE]


def test_copies(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    bucket.object("large").copy(bucket.object("copy"))
    handle = bucket.object("copy").get_writer().append_content(b"more")
    bucket.object("copy").get_writer().append_content(b"", handle=handle, flush=True)
    assert bucket.object("copy").props.size == SIZE + 4
    target = ais.client().bucket("target")
    wait(ais, bucket.copy(target, prefix_filter="copy"))
    assert target.object("copy").props.size == SIZE + 4


def test_a_body_is_read_no_faster_than_it_can_be_sent(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    waiting = [ais.client().batch(["large"] * 4, bucket).get(raw=True) for _ in range(4)]
    for response in waiting:
        assert len(response.read(1000)) == 1000
        response.close()
