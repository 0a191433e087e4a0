"""What cannot be completed breaks off visibly, and what did not arrive completely leaves no trace."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError, ErrObjNotFound

from aistorch.server import EmbeddedAIStore
from tests.support.archives import pack

SIZE = 3 << 20


@pytest.fixture(scope="module")
def ais() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore() as server:
        yield server


@pytest.fixture
def bucket(ais: EmbeddedAIStore) -> Iterator[Bucket]:
    made = ais.client().bucket("broken").create()
    yield made
    made.delete()


def tear(ais: EmbeddedAIStore, size: int) -> None:
    """Shortens the file of the only object, as a failing disk might."""
    (path,) = (path for path in Path(ais.dir).glob("buckets/*/*/broken/objects/*/*"))
    with path.open("rb+") as file:
        file.truncate(size)


def send_part_of_a_body(ais: EmbeddedAIStore, path: str) -> None:
    """A PUT whose connection ends before its body does."""
    url = urlsplit(ais.endpoint)
    with socket.create_connection((str(url.hostname), int(url.port or 0))) as connection:
        head = f"PUT /v1/objects/broken/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 500)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass


def is_soon_empty(folder: Path) -> bool:
    """The server closes a broken connection first, and removes what came over it then."""
    deadline = time.monotonic() + 10
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(folder.iterdir())


def test_a_batch_that_cannot_be_completed(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    bucket.object("o").get_writer().put_content(bytes(SIZE))
    tear(ais, SIZE // 2)
    body = {"in": [{"objname": "o"}], "strm": True, "coer": True}
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = requests.get(f"{ais.endpoint}/v1/ml/moss/broken", json=body, timeout=20).content
    assert bucket.head()


def test_an_archived_file_that_cannot_be_completed(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    bucket.object("o.tar").get_writer().put_content(pack(".tar", [("m", bytes(SIZE))]))
    tear(ais, SIZE // 2)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = requests.get(f"{ais.endpoint}/v1/objects/broken/o.tar", params={"archpath": "m"}, timeout=20).content
    assert bucket.head()


def test_a_part_that_did_not_arrive_is_no_part(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    upload.add_part(1).put_content(b"1")
    send_part_of_a_body(ais, f"o?uploadId={upload.upload_id}&partNumber=1")
    send_part_of_a_body(ais, f"o?uploadId={upload.upload_id}&partNumber=2")
    upload.complete()
    assert bucket.object("o").get_reader().read_all() == b"1"


def test_a_handle_is_not_used_again_after_an_append_that_failed(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    writer = bucket.object("o").get_writer()
    handle = writer.append_content(b"one")
    send_part_of_a_body(ais, f"o?append_type=append&append_handle={handle}")
    with pytest.raises(AISError) as caught:
        writer.append_content(b"", handle=handle, flush=True)
    assert caught.value.status_code == 400
    with pytest.raises(ErrObjNotFound):
        bucket.object("o").get_reader().read_all()


def test_nothing_is_left_of_what_was_not_completed(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    upload = bucket.object("o").multipart_upload().create()
    upload.add_part(1).put_content(b"1")
    upload.add_part(1).put_content(b"2")
    send_part_of_a_body(ais, f"o?uploadId={upload.upload_id}&partNumber=2")
    upload.complete()
    aborted = bucket.object("o").multipart_upload().create()
    aborted.add_part(1).put_content(b"1")
    aborted.abort()
    send_part_of_a_body(ais, "o?append_type=append")
    assert is_soon_empty(Path(ais.dir) / "tmp")
