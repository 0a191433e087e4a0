"""A real AIStore cluster for the tests: one proxy and some targets, of the `aisnode` binary on PATH.

A node listens on all interfaces and lets anyone in, so a cluster is started in a private network only
(`private_network.py`).
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.private_network import is_private

START_TIMEOUT = 60.0  # seconds; a proxy and three targets need 10 to 20
STOP_TIMEOUT = 15.0


def why_no_cluster() -> str:
    """Why no cluster can be started here and what to do about it, or an empty string."""
    if shutil.which("aisnode") is None:
        return "no real cluster: set AIS_ENDPOINT, or put an `aisnode` on PATH (CONTRIBUTING.md tells how)"
    if not is_private():
        return (
            "no real cluster: `aisnode` listens on all interfaces, so it needs a private network "
            "(`make test`, or `python tests/support/private_network.py pytest ...`)"
        )
    return ""


class Node:
    """One `aisnode` process.

    Args:
        home: Its folder; made here.
        settings: The cluster's settings, the same for all nodes.
        role: "proxy" or "target".
        ports: Three of its own: public, control between nodes, data between nodes.
        instance: Its number in the cluster.
        options: More command line options.
    """

    def __init__(
        self, home: Path, settings: dict[str, Any], role: str, ports: list[int], instance: int, *options: str
    ) -> None:
        self.home, self.port, self.role = home, ports[0], role
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        (home / "conf").mkdir(parents=True)
        local = {
            "confdir": str(home / "conf"),
            "log_dir": str(home / "log"),
            "host_net": {
                "hostname": "127.0.0.1",
                "port": str(ports[0]),
                "port_intra_control": str(ports[1]),
                "port_intra_data": str(ports[2]),
            },
            "fspaths": {},
            "test_fspaths": {"root": str(home / "data"), "count": 2, "instance": instance},
        }
        (home / "ais.json").write_text(json.dumps(settings))
        (home / "local.json").write_text(json.dumps(local))
        (home / "data").mkdir()
        files = (f"-config={home / 'ais.json'}", f"-local_config={home / 'local.json'}")
        with (home / "output").open("wb") as output:
            self.process = subprocess.Popen(
                ["aisnode", f"-role={role}", *files, *options], stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        logs = [self.home / "output", *sorted((self.home / "log").glob("ais*.ERROR"))]
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())


class Cluster:
    """A cluster of its own, as a context manager.

    Args:
        home: An existing empty folder for data, settings and logs.
        targets: How many targets.
    """

    def __init__(self, home: Path, targets: int = 3) -> None:
        self.home, self.targets = home, targets
        self._nodes: list[Node] = []
        self._stack = ExitStack()

    @property
    def endpoint(self) -> str:
        return self._nodes[0].endpoint

    @property
    def nodes(self) -> list[Node]:
        """The proxy, then the targets."""
        return self._nodes

    def __enter__(self) -> Cluster:
        # Refused here as well: whoever uses this class without asking must not open a port to the world.
        if reason := why_no_cluster():
            raise RuntimeError(reason)
        with ExitStack() as undo:
            ports = _free_ports(3 * (self.targets + 1))
            settings = _settings(f"http://127.0.0.1:{ports[0]}")
            for instance in range(self.targets + 1):
                own = ports[3 * instance : 3 * instance + 3]
                role, options = ("target", []) if instance else ("proxy", [f"-ntargets={self.targets}"])
                node = Node(self.home / f"n{instance}", settings, role, own, instance, *options)
                undo.callback(node.stop)
                self._nodes.append(node)
            self._wait_until_ready()
            self._stack = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            for node in self._nodes:
                if node.process.poll() is not None:
                    raise RuntimeError(f"aisnode {node.role} {node.port} ended: {node.last_words()}")
            if _is_ready(self.endpoint):
                return
            time.sleep(0.2)
        words = "\n".join(node.last_words() for node in self._nodes)
        raise RuntimeError(f"the cluster was not ready within {START_TIMEOUT:.0f} s: {words}")


def _is_ready(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/v1/health?prr=true", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _settings(proxy_url: str) -> dict[str, Any]:
    """The least that a node starts with, and object versions."""
    return {
        "backend": {},
        "timeout": {
            "cplane_operation": "2s",
            "max_keepalive": "5s",
            "max_host_busy": "20s",
            "startup_time": "1m",
            "send_file_time": "5m",
        },
        "proxy": {"primary_url": proxy_url, "original_url": proxy_url},
        "net": {
            "l4": {"proto": "tcp"},
            "http": {
                "idle_conn_time": "6s",
                "idle_conns_per_host": 32,
                "idle_conns": 256,
                "chunked_transfer": True,
            },
        },
        "versioning": {"enabled": True},
    }
