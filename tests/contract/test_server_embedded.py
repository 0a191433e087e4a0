"""The embedded server as a process: how it starts, ends, and what it keeps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import xxhash
from aistore.sdk import Client

from aistorch.errors import InvalidArgumentError, MissingExtraError
from aistorch.server import EmbeddedAIStore, ServerStartError
from tests.support.private_network import is_private

pytest_plugins = ["aistorch.server.pytest_plugin"]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    if not Path("/proc").is_dir():
        return os.system(f"kill -0 {pid} 2>/dev/null") == 0
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_starts_and_ends_with_its_block() -> None:
    with EmbeddedAIStore() as ais:
        pid, folder = ais.pid, ais.dir
        assert ais.client().cluster().is_ready()
        assert ais.target_endpoints == {"embt1": ais.endpoint}
        assert folder.is_dir()
        assert repr(ais) == f"<EmbeddedAIStore {ais.endpoint} targets=1>"
    assert not alive(pid)
    assert not folder.exists()
    assert repr(ais) == "<EmbeddedAIStore stopped targets=1>"
    with pytest.raises(ServerStartError, match="does not run"):
        _ = ais.endpoint


def test_only_this_machine_reaches_it() -> None:
    with EmbeddedAIStore(targets=2) as ais:
        ports = {int(url.rpartition(":")[2]) for url in (ais.endpoint, *ais.target_endpoints.values())}
        assert len(ports) == 3
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 5).close()
            # Another address of this machine; who bound to all of them would answer there, too.
            with pytest.raises(OSError, match=r"refused|assign|timed out"):
                socket.create_connection(("127.0.0.2", port), 5)


@pytest.mark.skipif(not is_private(), reason="listens on all interfaces, which is for private networks (`make test`)")
def test_bound_to_all_addresses_it_names_the_one_that_was_used() -> None:
    with EmbeddedAIStore(host="0.0.0.0", targets=2) as ais:
        port = ais.endpoint.rpartition(":")[2]
        client = Client(f"http://127.0.0.1:{port}")
        client.bucket("b").create().object("o").get_writer().put_content(b"data")
        urls = [node.public_net.direct_url for node in client.cluster().get_info().tmap.values()]
        assert all(url.startswith("http://127.0.0.1:") for url in urls)
        assert client.bucket("b").object("o").get_reader(direct=True).read_all() == b"data"


def test_data_outlives_the_server(tmp_path: Path) -> None:
    with EmbeddedAIStore(tmp_path / "new" / "dir") as ais:
        bucket = ais.client().bucket("kept").create()
        bucket.object("o").get_writer().put_content(b"data")
    with EmbeddedAIStore(tmp_path / "new" / "dir", targets=3) as ais:
        assert ais.client().bucket("kept").object("o").get_reader().read_all() == b"data"


def test_declared_buckets_are_there_and_can_be_evicted_and_read() -> None:
    with EmbeddedAIStore(buckets=["aws://images", "ais://#ns/mine", "gs://other"]) as ais:
        client = ais.client()
        assert [bucket.name for bucket in client.cluster().list_buckets("aws")] == ["images"]
        bucket = client.bucket("images", "aws")
        bucket.object("o").get_writer().put_content(b"data")
        assert bucket.list_all_objects()[0].is_cached()
        bucket.evict()
        assert not bucket.list_all_objects()[0].is_cached()
        assert not bucket.object("o").props.present
        assert bucket.object("o").get_reader().read_all() == b"data"
        assert bucket.object("o").props.present


def test_a_declared_bucket_keeps_its_objects_when_declared_again(tmp_path: Path) -> None:
    for _ in range(2):
        with EmbeddedAIStore(tmp_path, buckets=["aws://b"]) as ais:
            bucket = ais.client().bucket("b", "aws")
            before = len(bucket.list_all_objects())
            bucket.object(f"o{before}").get_writer().put_content(b"")
    assert before == 1


def test_the_port_can_be_chosen() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedAIStore(port=port) as ais:
        assert ais.endpoint == f"http://127.0.0.1:{port}"
        with pytest.raises(ServerStartError, match=f"cannot listen on 127.0.0.1:{port}"):
            EmbeddedAIStore(port=port).start()


def test_what_prevents_a_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerStartError, match="invalid bucket 'nonsense'"):
        EmbeddedAIStore(buckets=["nonsense"]).start()
    with EmbeddedAIStore(tmp_path), pytest.raises(ServerStartError, match="used by another server"):
        EmbeddedAIStore(tmp_path).start()
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerStartError, match="file"):
        EmbeddedAIStore(tmp_path / "file").start()


def test_mistakes_are_told_before_anything_starts() -> None:
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        EmbeddedAIStore(targets=0)
    with pytest.raises(InvalidArgumentError, match=r"\['aws://b'\]"):
        EmbeddedAIStore(buckets="aws://b")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'aistorch\[server\]'"):
        EmbeddedAIStore().start()


def test_stopping_twice_and_starting_again_is_fine(tmp_path: Path) -> None:
    ais = EmbeddedAIStore(tmp_path)
    ais.stop()
    for _ in range(2):
        first = ais.start().pid
        assert ais.start().pid == first
        assert requests.get(f"{ais.endpoint}/v1/health").status_code == 200
        ais.stop()
        ais.stop()
        assert not alive(first)


def test_it_ends_when_its_parent_is_killed() -> None:
    script = (
        "from aistorch.server import EmbeddedAIStore as E; a = E().start(); print(a.pid, a.dir, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert alive(int(pid))
        parent.kill()
    assert eventually(lambda: not alive(int(pid)))
    assert eventually(lambda: not Path(folder).exists())


def _read_in_child(endpoint: str, results: multiprocessing.SimpleQueue[bytes]) -> None:
    data = Client(endpoint).bucket("b").object("o").get_reader().read_all()
    results.put(data if isinstance(data, bytes) else b"")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_use_it_and_do_not_end_it(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with EmbeddedAIStore() as ais:
        ais.client().bucket("b").create().object("o").get_writer().put_content(b"data")
        results: multiprocessing.SimpleQueue[bytes] = context.SimpleQueue()
        child = context.Process(target=_read_in_child, args=(ais.endpoint, results))
        child.start()
        child.join(60)
        assert results.get() == b"data"
        assert alive(ais.pid)


def _stop_in_child(ais: EmbeddedAIStore) -> None:
    try:
        ais.faults.clear()
    except ServerStartError:
        ais.stop()
        os._exit(7)


def test_a_forked_child_can_neither_stop_nor_command_it() -> None:
    with EmbeddedAIStore() as ais:
        child = multiprocessing.get_context("fork").Process(target=_stop_in_child, args=(ais,))
        child.start()
        child.join(60)
        assert child.exitcode == 7
        assert ais.client().cluster().is_ready()


def test_a_forked_child_that_goes_on_does_not_keep_it_up() -> None:
    with EmbeddedAIStore() as server:
        address = server.endpoint
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()  # it has the server's pipes, like a persistent worker of a DataLoader
        begun = time.monotonic()
    try:
        assert time.monotonic() - begun < 8  # after 10 s it would have been killed
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{address}/v1/health", timeout=5)
    finally:
        child.kill()
        child.join()


def test_an_interrupt_is_the_parents_affair() -> None:
    with EmbeddedAIStore() as ais:
        assert os.getsid(ais.pid) != os.getsid(0)


def test_a_killed_server_is_noticed_and_can_be_started_again(tmp_path: Path) -> None:
    ais = EmbeddedAIStore(tmp_path).start()
    os.kill(ais.pid, signal.SIGKILL)
    with pytest.raises(ServerStartError, match="ended with status -9"):
        ais.faults.clear()
    ais.stop()
    with ais:
        assert ais.client().cluster().is_ready()


@pytest.mark.parametrize("targets", [1, 3])
def test_a_kill_at_any_moment_loses_and_tears_nothing(tmp_path: Path, targets: int) -> None:
    """Writers overwrite objects of many sizes; the server is killed; what was acknowledged is there, whole."""
    sizes = [0, 10, 4096, 70_000, 1_500_000]
    for round_ in range(2):
        acknowledged: dict[str, int] = {}
        with EmbeddedAIStore(tmp_path, targets=targets) as ais:
            ais.client().bucket("b").create(exist_ok=True)
            threads = [
                threading.Thread(target=_write_until_killed, args=(ais.endpoint, sizes, worker, round_, acknowledged))
                for worker in range(3)
            ]
            for thread in threads:
                thread.start()
            assert eventually(partial(_has, acknowledged, 9))
            os.kill(ais.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
        with EmbeddedAIStore(tmp_path, targets=targets) as ais:
            bucket = ais.client().bucket("b")
            listed = {entry.name: entry for entry in bucket.list_all_objects(props="name,size,checksum")}
            for name, entry in listed.items():
                data = bucket.object(name).get_reader().read_all()
                assert isinstance(data, bytes)
                assert (len(data), xxhash.xxh64_hexdigest(data)) == (entry.size, entry.checksum)
                assert len(set(data)) <= 1  # of one write only
            for name, version in acknowledged.items():
                written = bucket.object(name).get_reader().read_all()
                assert not written or written[0] >= version % 256
        assert list((tmp_path / "quarantine").iterdir()) == []


def _has(done: dict[str, int], count: int) -> bool:
    return len(done) >= count


def _write_until_killed(
    endpoint: str, sizes: list[int], worker: int, round_: int, acknowledged: dict[str, int]
) -> None:
    for version in range(250):
        size = sizes[version % len(sizes)]
        name = f"{worker}/{round_}/{version % 7}"
        try:
            body = bytes([version]) * size
            response = requests.put(f"{endpoint}/v1/objects/b/{name}?provider=ais", data=body, timeout=20)
        except requests.RequestException:
            return
        if response.status_code == 200:
            acknowledged[name] = version


def test_a_body_that_breaks_off_stores_nothing() -> None:
    with EmbeddedAIStore() as ais:
        bucket = ais.client().bucket("b").create()
        bucket.object("o").get_writer().put_content(b"old")
        host, _, port = ais.endpoint.removeprefix("http://").partition(":")
        for name in ("o", "new"):
            with socket.create_connection((host, int(port))) as connection:
                head = f"PUT /v1/objects/b/{name}?provider=ais HTTP/1.1\r\nHost: localhost\r\n"
                head += "Content-Length: 100\r\n\r\n"
                connection.sendall(head.encode() + b"x" * 50)
        assert eventually(lambda: not list((ais.dir / "tmp").iterdir()))
        assert [(entry.name, entry.size) for entry in bucket.list_all_objects()] == [("o", 3)]


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of another process is read from /proc")
def test_large_objects_are_streamed_not_held(tmp_path: Path) -> None:
    size, chunk = 512 << 20, bytes(1 << 20)
    with EmbeddedAIStore(tmp_path) as ais:
        ais.client().bucket("b").create()
        url = f"{ais.endpoint}/v1/objects/b/big?provider=ais"
        assert requests.put(url, data=(chunk for _ in range(size >> 20))).status_code == 200
        with requests.get(url, stream=True) as response:
            assert sum(map(len, response.iter_content(1 << 20))) == size
        with requests.get(url, stream=True, headers={"Range": f"bytes=1-{size}"}) as response:
            assert sum(map(len, response.iter_content(1 << 20))) == size - 1
        assert _peak_memory(ais.pid) < 200 << 20


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def test_the_fixture_is_empty_for_each_test(embedded_aistore: EmbeddedAIStore) -> None:
    client = embedded_aistore.client()
    assert client.cluster().list_buckets() == []
    client.bucket("left").create().object("o").get_writer().put_content(b"")
    embedded_aistore.faults.status(503)


def test_the_fixture_is_empty_for_the_next_test_too(embedded_aistore: EmbeddedAIStore) -> None:
    bucket = embedded_aistore.client().bucket("left").create()
    bucket.object("o").get_writer().put_content(b"data")
    assert bucket.object("o").get_reader().read_all() == b"data"
