"""Objects that come in parts, that grow, or that are made of others."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import requests
import xxhash
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.conftest import Server


def read(bucket: Bucket, name: str) -> bytes:
    content = bucket.object(name).get_reader().read_all()
    assert isinstance(content, bytes)
    return content


def ask(ais: Server, verb: str, bucket: Bucket, name: str, action: str = "", data: bytes = b"", **query: str) -> int:
    url = f"{ais.endpoint}/v1/objects/{bucket.name}/{name}".rstrip("/")
    message = {"action": action, "name": "", "value": {}} if action else None
    params = {"provider": "ais"} | query
    return requests.request(verb, url, params=params, data=data or None, json=message, timeout=20).status_code


def test_parts_come_in_any_order(bucket: Bucket) -> None:
    parts = {number: bytes([number]) * (number * 10_000 + 1) for number in (3, 1, 4, 2)}
    upload = bucket.object("dir/in parts").multipart_upload().create()
    for number, content in parts.items():
        upload.add_part(number).put_content(content)
    with pytest.raises(ErrObjNotFound):
        read(bucket, "dir/in parts")
    upload.complete()
    assert read(bucket, "dir/in parts") == b"".join(parts[number] for number in sorted(parts))
    assert bucket.object("dir/in parts").props.size == sum(map(len, parts.values()))


@pytest.mark.parametrize("numbers", [[1, 2, 2], [2, 2, 1], [1, 2, 3, 1], [4, 1, 3, 2, 2, 4, 3, 1], [1, 1]])
def test_a_part_sent_again_replaces_the_first(ais: Server, bucket: Bucket, numbers: list[int]) -> None:
    if not ais.embedded:
        pytest.skip("AIStore 5.0 cannot read an object of which a part was sent twice")
    upload = bucket.object("o").multipart_upload().create()
    parts: dict[int, bytes] = {}
    for turn, number in enumerate(numbers):
        parts[number] = bytes([turn]) * (1000 * turn + number)
        upload.add_part(number).put_content(parts[number])
    upload.complete()
    expected = b"".join(parts[number] for number in sorted(parts))
    assert read(bucket, "o") == expected
    assert bucket.object("o").head(props="checksum").checksum_value == xxhash.xxh64_hexdigest(expected)


def test_a_complete_upload_is_forgotten(bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    upload.add_part(1).put_content(b"new")
    upload.complete()
    for call in (upload.complete, upload.abort, lambda: upload.add_part(2).put_content(b"x")):
        with pytest.raises(AISError) as caught:
            call()
        assert caught.value.status_code == 404
    assert read(bucket, "o") == b"new"


def test_little_is_left_to_do_when_all_parts_are_there(tmp_path: Path) -> None:
    server = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")
    with server.EmbeddedAIStore(dir=tmp_path) as started:
        upload = started.client().bucket("b").create().object("o").multipart_upload().create()
        for number in (2, 1, 4, 3):
            upload.add_part(number).put_content(bytes(1 << 20))
        # The parts are in one file already, but for what it buffers.
        assert max(file.stat().st_size for file in tmp_path.rglob("*")) > 3 << 20
        upload.complete()


def test_an_upload_replaces_an_object_only_when_it_is_complete(bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"old")
    upload = bucket.object("o").multipart_upload().create()
    upload.add_part(1).put_content(b"new")
    assert read(bucket, "o") == b"old"
    upload.complete()
    assert read(bucket, "o") == b"new"


def test_an_aborted_upload_is_gone(bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    upload.add_part(1).put_content(b"new")
    upload.abort()
    for call in (upload.complete, lambda: upload.add_part(2).put_content(b"x")):
        with pytest.raises(AISError) as caught:
            call()
        assert caught.value.status_code == 404
    with pytest.raises(ErrObjNotFound):
        read(bucket, "o")


@pytest.mark.parametrize("numbers", [[], [1, 3], [1], [1, 1, 2], [1, 2, 2], [3, 1, 2]])
def test_all_parts_and_no_others_are_needed(bucket: Bucket, numbers: list[int]) -> None:
    upload = bucket.object("o").multipart_upload().create()
    for number in (1, 2):
        upload.add_part(number).put_content(b"x")
    upload.parts = numbers
    with pytest.raises(AISError) as caught:
        upload.complete()
    assert caught.value.status_code == 400
    upload.parts = [2, 1]
    upload.complete()
    assert read(bucket, "o") == b"xx"


def test_an_empty_part_is_refused(bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    with pytest.raises(AISError) as caught:
        upload.add_part(1).put_content(b"")
    assert caught.value.status_code == 400
    upload.abort()


def test_parts_that_belong_nowhere(ais: Server, bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    for number in ("0", "10000", "x", "-1", ""):
        assert ask(ais, "PUT", bucket, "o", data=b"x", uploadId=str(upload.upload_id), partNumber=number) >= 400
    assert ask(ais, "PUT", bucket, "o", data=b"x", uploadId="unknown", partNumber="1") == 404
    assert ask(ais, "PUT", bucket, "other", data=b"x", uploadId=str(upload.upload_id), partNumber="1") >= 400
    upload.abort()


def test_an_object_grows_and_appears_when_it_is_flushed(bucket: Bucket) -> None:
    writer = bucket.object("o").get_writer()
    handle = writer.append_content(b"one ")
    assert handle
    handle = writer.append_content(b"two", handle=handle)
    with pytest.raises(ErrObjNotFound):
        read(bucket, "o")
    assert writer.append_content(b"", handle=handle, flush=True) == ""
    assert read(bucket, "o") == b"one two"


def test_appending_goes_on_behind_what_is_there(bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"old")
    writer = bucket.object("o").get_writer()
    handle = writer.append_content(b" and new")
    assert read(bucket, "o") == b"old"
    writer.append_content(b"", handle=handle, flush=True)
    assert read(bucket, "o") == b"old and new"


def test_objects_can_be_written_like_files(bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"old")
    with bucket.object("o").get_writer().as_file("w") as file:
        assert file.write(b"new") == 3
        file.write(b"er" * 100_000)
    assert read(bucket, "o") == b"new" + b"er" * 100_000
    with bucket.object("o").get_writer().as_file("a") as file:
        file.write(b" still")
        file.flush()
        file.write(b" and more")
    assert read(bucket, "o").endswith(b"er still and more")


@pytest.mark.parametrize(("kind", "handle"), [("append", "nonsense"), ("flush", ""), ("nonsense", "")])
def test_appends_that_belong_nowhere(ais: Server, bucket: Bucket, kind: str, handle: str) -> None:
    assert ask(ais, "PUT", bucket, "o", data=b"x", append_type=kind, append_handle=handle) == 400
    with pytest.raises(ErrObjNotFound):
        read(bucket, "o")


@pytest.fixture
def other(ais: Server) -> Iterator[Bucket]:
    made = ais.client().bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    yield made
    made.delete(missing_ok=True)


def test_an_object_is_copied(bucket: Bucket, other: Bucket) -> None:
    source = bucket.object("a b/ü")
    source.get_writer().put_content(b"content" * 1000)
    for target in (bucket.object("copy 1"), other.object("dir/copy")):
        source.copy(target)
        assert target.get_reader().read_all() == b"content" * 1000
    source.copy(source)
    assert read(bucket, "a b/ü") == b"content" * 1000


def test_copies_that_cannot_be(ais: Server, bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"x")
    with pytest.raises(ErrObjNotFound):
        bucket.object("gone").copy(bucket.object("o2"))
    with pytest.raises(ErrBckNotFound):
        bucket.object("o").copy(ais.client().bucket(f"{bucket.name}-none").object("o"))
    assert ask(ais, "PUT", bucket, "o", object_to="nonsense") == 400
    assert ask(ais, "PUT", bucket, "o", object_to=f"ais/@#/{bucket.name}/") == 400
    assert [entry.name for entry in bucket.list_all_objects()] == ["o"]


def test_what_needs_files_or_providers_is_refused(ais: Server, bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"x")
    with pytest.raises(AISError) as caught:
        bucket.object("p").promote("/tmp")
    assert caught.value.status_code == 400
    for call in (bucket.object("o").blob_download, lambda: ask_blob(bucket)):
        with pytest.raises(AISError) as caught:
            call()
        assert caught.value.status_code == 400


def ask_blob(bucket: Bucket) -> None:
    from aistore.sdk import BlobDownloadConfig

    bucket.object("o").get_reader(blob_download_config=BlobDownloadConfig("1mb", "2")).read_all()


def test_an_object_is_never_locked_for_long(ais: Server, bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(b"x")
    assert ask(ais, "POST", bucket, "o", action="check-lock") == 200
    assert ask(ais, "POST", bucket, "o", action="nonsense") == 400
