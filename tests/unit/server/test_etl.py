"""ETLs of the embedded server that are functions of its owner, and what it refuses to run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError
from aistore.sdk.etl import ETLConfig
from aistore.sdk.etl.webserver.http_multi_threaded_server import HTTPMultiThreadedServer

from aistorch import AISMapDataset
from aistorch.errors import InvalidArgumentError, TransformError

pytest.importorskip("aiohttp", reason="the embedded server needs aistorch[server]")

from aistorch.server import EmbeddedAIStore

LARGE = bytes(range(256)) * 40_000


def functions() -> dict[str, Callable[..., Any]]:
    """Made here, so that they go to the server whole, as those of a script or notebook do."""
    table = bytes.maketrans(b"abc", b"xyz")

    class Repeated:
        def __init__(self, times: int) -> None:
            self.times = times

        def __call__(self, data: bytes) -> bytearray:
            return bytearray(data * self.times)

    def with_arguments(data: bytes, etl_args: str) -> bytes:
        return data + etl_args.encode()

    def failing(data: bytes) -> bytes:
        print("all that is printed goes elsewhere")
        raise KeyError("no such colour")

    def dying(data: bytes) -> bytes:
        if data == b"die":
            os._exit(3)
        return data

    def endless(data: bytes) -> bytes:
        Path(data.decode()).write_text(str(os.getpid()))
        while True:
            pass

    return {
        "closure": lambda data: data.translate(table),
        "compress": zlib.compress,
        "bound-method": b", ".join([b"", b""]).__add__,
        "partial": partial(zlib.compress, level=0),
        "callable": Repeated(3),
        "with-arguments": with_arguments,
        "failing": failing,
        "no-bytes": lambda data: data.decode(),
        "nothing": lambda data: b"",
        "dying-one": dying,
        "endless": endless,
        "process": lambda data: b"%d" % os.getpid(),
    }


@pytest.fixture(scope="module")
def ais() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(targets=3, etls=functions(), token="secret") as server:
        yield server


@pytest.fixture(scope="module")
def bucket(ais: EmbeddedAIStore) -> Bucket:
    made: Bucket = ais.client().bucket("objects").create()
    for name, data in {"abc": b"abc", "empty": b"", "large": LARGE, "die": b"die"}.items():
        made.object(name).get_writer().put_content(data)
    return made


def read(bucket: Bucket, name: str, etl: str, arguments: Any = None) -> bytes:
    return AISMapDataset([bucket], {bucket: name}, ETLConfig(etl, arguments))[0][1]


def raw(ais: EmbeddedAIStore, path: str, etl: str = "") -> requests.Response:
    params = {"provider": "ais"} | ({"etl_name": etl} if etl else {})
    # Not by requests' own redirects, which take the token away.
    return requests.get(
        f"{ais.endpoint}/v1/{path}", params=params, headers={"Authorization": "Bearer secret"}, timeout=60
    )


@pytest.mark.parametrize(
    ("etl", "name", "expected"),
    [
        ("closure", "abc", b"xyz"),
        ("closure", "empty", b""),
        ("compress", "large", zlib.compress(LARGE)),
        ("partial", "large", zlib.compress(LARGE, 0)),
        ("bound-method", "abc", b", abc"),
        ("callable", "abc", b"abcabcabc"),
        ("with-arguments", "abc", b"abc"),
        ("nothing", "large", b""),
    ],
)
def test_functions_of_all_kinds(bucket: Bucket, etl: str, name: str, expected: bytes) -> None:
    assert read(bucket, name, etl) == expected


def test_arguments_are_text(bucket: Bucket) -> None:
    assert read(bucket, "abc", "with-arguments", "50% & ü") == "abc50% & ü".encode()
    assert read(bucket, "abc", "with-arguments", {"w": 1}) == b'abc{"w":1}'
    assert read(bucket, "abc", "closure", "ignored") == b"xyz"


def test_the_objects_stay_as_they_are(bucket: Bucket) -> None:
    assert bucket.object("abc").get_reader().read_all() == b"abc"


@pytest.mark.parametrize(
    ("etl", "message"),
    [
        ("failing", "ETL error: KeyError: 'no such colour'"),
        ("no-bytes", "ETL error: TypeError: the transformer returned str, not bytes"),
    ],
)
def test_what_fails_is_told(ais: EmbeddedAIStore, bucket: Bucket, etl: str, message: str) -> None:
    reply = raw(ais, "objects/objects/abc", etl)
    assert (reply.status_code, reply.json()["message"]) == (500, message)
    with pytest.raises(TransformError, match="ais://objects/abc could not be transformed") as raised:
        read(bucket, "abc", etl)
    assert message in str(raised.value)


def test_a_process_that_dies_is_replaced(ais: EmbeddedAIStore, bucket: Bucket) -> None:
    reply = raw(ais, "objects/objects/die", "dying-one")
    assert (reply.status_code, reply.json()["message"]) == (500, "ETL error: its process has died (status 3)")
    assert read(bucket, "abc", "dying-one") == b"abc"


def test_missing_objects_and_etls_are_told_apart(ais: EmbeddedAIStore) -> None:
    assert "ais://objects/none does not exist" in raw(ais, "objects/objects/none", "closure").json()["message"]
    reply = raw(ais, "objects/objects/abc", "no-such-etl")
    assert (reply.status_code, "no-such-etl does not exist - try starting" in reply.text) == (404, True)
    assert raw(ais, "etl/no-such-etl").status_code == 404
    assert raw(ais, "etl/closure/nonsense").status_code == 400


def test_etls_are_the_proxy_s_and_need_the_token(ais: EmbeddedAIStore) -> None:
    assert requests.get(f"{ais.endpoint}/v1/etl", timeout=10).status_code == 401
    assert [each["id"] for each in raw(ais, "etl").json()] == list(functions())


def test_an_etl_is_stopped_in_the_midst_of_an_object(ais: EmbeddedAIStore, bucket: Bucket, tmp_path: Path) -> None:
    started = tmp_path / "started"
    bucket.object("path").get_writer().put_content(str(started).encode())
    replies: list[requests.Response] = []
    reading = threading.Thread(target=lambda: replies.append(raw(ais, "objects/objects/path", "endless")))
    reading.start()
    pid = int(content_when_there(started))
    ais.client().etl("endless").stop()
    reading.join(20)
    assert [reply.status_code for reply in replies] == [500]
    until(lambda: not is_alive(pid))
    assert ais.client().cluster().list_etls(["Aborted"])[0].id == "endless"


def content_when_there(path: Path) -> str:
    until(lambda: path.exists() and path.read_text() != "")
    return path.read_text()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and whose parent has gone may be left for an init that does not look after it.
    return not sys.platform.startswith("linux") or ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def get_in_vain(url: str) -> None:
    with suppress(requests.ConnectionError):
        requests.get(url, timeout=60)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_no_process_outlives_the_server(how: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    chosen = {name: function for name, function in functions().items() if name in ("process", "endless")}
    with EmbeddedAIStore(etls=chosen) as server:
        bucket = server.client().bucket("b").create()
        bucket.object("o").get_writer().put_content(str(started).encode())
        idle = int(read(bucket, "o", "process"))
        url = f"{server.endpoint}/v1/objects/b/o?provider=ais&etl_name=endless"
        reading = threading.Thread(target=partial(get_in_vain, url))
        reading.start()
        busy = int(content_when_there(started))
        if how == "killed":
            os.kill(server.pid, signal.SIGKILL)
    reading.join(20)
    until(lambda: not is_alive(idle))
    until(lambda: not is_alive(busy))


# what is refused


@pytest.mark.parametrize(
    ("etls", "message"),
    [
        ({"short": len}, "'short' is too short; use 6 to 32"),
        ({"Capital-Letters": len}, "use 6 to 32 of"),
        ({"no-function": b"abc"}, "a function from bytes to bytes, not bytes"),
        ({"locked": partial(max, threading.Lock())}, "cannot be sent to another process"),
    ],
)
def test_what_can_be_no_etl_is_refused_before_anything_starts(etls: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        EmbeddedAIStore(etls=etls)


def test_code_that_cannot_be_loaded_is_an_error_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "vanishing_module.py"
    module.write_text("def shrink(data): return data[:1]")
    monkeypatch.syspath_prepend(str(tmp_path))
    import vanishing_module  # type: ignore[import-not-found]

    server = EmbeddedAIStore(etls={"shrink": vanishing_module.shrink})
    with server:
        bucket = server.client().bucket("b").create()
        bucket.object("o").get_writer().put_content(b"abc")
        assert read(bucket, "o", "shrink") == b"a"
    module.unlink()
    with pytest.raises(InvalidArgumentError, match=r"ETL\[shrink\] cannot start: .*vanishing_module"):
        server.start()
    with pytest.raises(Exception, match="does not run"):
        _ = server.pid


def sent_class() -> Any:
    class Sent(HTTPMultiThreadedServer):
        def transform(self, data: bytes | str, path: str, etl_args: str) -> bytes:
            return path.encode()

    return Sent


def test_code_of_clients_needs_leave(ais: EmbeddedAIStore) -> None:
    with pytest.raises(AISError, match=r"runs no code that clients send; start it with .*allow_code=True") as raised:
        ais.client().etl("sent-class").init_class()(sent_class())
    assert raised.value.status_code == 403
    with pytest.raises(AISError, match="allow_code"):
        ais.client().etl("image-1").init(image="aistorage/transformer_md5:latest")
    assert len(ais.client().cluster().list_etls(["Running", "Initializing", "Aborted"])) == len(functions())


@pytest.fixture(scope="module")
def open_server() -> Iterator[EmbeddedAIStore]:
    with EmbeddedAIStore(allow_code=True) as server:
        yield server


def test_a_class_is_given_bucket_and_name(open_server: EmbeddedAIStore) -> None:
    open_server.client().etl("sent-class").init_class()(sent_class())
    bucket = open_server.client().bucket("b").create()
    bucket.object("a/é").get_writer().put_content(b"")
    assert read(bucket, "a/é", "sent-class") == "b/a/é".encode()


def test_containers_and_files_are_not_to_be_had(open_server: EmbeddedAIStore) -> None:
    etl = open_server.client().etl("container")
    with pytest.raises(AISError, match="runs no containers") as raised:
        etl.init(image="any")
    assert raised.value.status_code == 501
    with pytest.raises(AISError, match="shows its files to no code"):
        etl.init_class(direct_file_access=True)(sent_class())


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"name": "x"},
        {"name": "../../etc"},
        {"name": "timeouts", "runtime": {"env": [{"name": "ETL_CLASS_PAYLOAD", "value": "x"}]}, "obj_timeout": "soon"},
        {"name": "no-pickle", "runtime": {"env": [{"name": "ETL_CLASS_PAYLOAD", "value": "abcd"}]}},
    ],
)
def test_messages_that_make_no_etl(open_server: EmbeddedAIStore, message: Any) -> None:
    assert requests.put(f"{open_server.endpoint}/v1/etl", json=message, timeout=30).status_code == 400


def test_the_sdk_s_timeout_ends_what_takes_too_long(open_server: EmbeddedAIStore) -> None:
    class Slow(HTTPMultiThreadedServer):
        def transform(self, data: bytes | str, path: str, etl_args: str) -> bytes:
            import time

            time.sleep(float(etl_args))
            return b"done"

    open_server.client().etl("slow-one").init_class(obj_timeout="300ms")(Slow)
    bucket = open_server.client().bucket("slow").create()
    bucket.object("o").get_writer().put_content(b"")
    with pytest.raises(TransformError, match=r"no result within 0\.3 s"):
        read(bucket, "o", "slow-one", "60")
