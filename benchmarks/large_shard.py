"""Speed and memory while one large shard is written and read, each in a process of its own. Linux only.

    python tests/support/private_network.py python -m benchmarks.large_shard [GIB]

The server is a real cluster where one can be had, as for `make bench`, else an embedded one. The shard, of 4 GiB
if not told otherwise, is in the folder for temporary files (`TMPDIR`); samples have one file of 1,000,000 bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aistore.sdk import Client

from aistorch.bench.servers import server
from benchmarks.__main__ import cluster

BUCKET = "aistorch-bench-large-shard"
URL = f"ais://{BUCKET}"
SIZE = 1_000_000


def main(arguments: list[str]) -> None:
    samples = int(float(arguments[0] if arguments else 4) * (1 << 30)) // SIZE
    with cluster() as found, server(found) as endpoint:
        bucket = Client(endpoint).bucket(BUCKET).create(exist_ok=True)
        try:
            _say(f"{'MB/s':>32}{'CPU s':>8}{'MB of memory at first':>24}{'at the peak':>13}{'grown':>8}")
            _report("written", "write", endpoint, samples)
            _report("read, an index beside", "read", endpoint, samples)
            bucket.object("shard-000000.tar.idx").delete()
            _report("read, no index", "read", endpoint, samples)
        finally:
            bucket.delete()


def _report(title: str, step: str, endpoint: str, samples: int) -> None:
    """Has a fresh process do it, with the paths of this one."""
    command = [sys.executable, __file__, step, endpoint, str(samples)]
    output = subprocess.check_output(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    seconds, cpu, first, peak = json.loads(output)
    _say(f"{title:24}{samples * SIZE / seconds / 1e6:8.0f}{cpu:8.1f}{first:24.0f}{peak:13.0f}{peak - first:8.0f}")


def _step(step: str, endpoint: str, samples: int) -> None:
    work = _write() if step == "write" else _read()
    first = _memory("VmRSS")
    start = time.perf_counter()
    if work(endpoint, samples) != samples:
        raise RuntimeError(f"not all of {samples} samples were there")
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps([seconds, time.process_time(), first, _memory("VmHWM")]))


def _write() -> Callable[[str, int], int]:
    from aistorch import ShardWriter  # whatever the modules need is there before the measurement

    def write(endpoint: str, samples: int) -> int:
        body = bytes(range(250)) * (SIZE // 250)
        with ShardWriter(URL, client_url=endpoint, max_size=1 << 36) as writer:
            for number in range(samples):
                writer.write(f"{number:06}", {"bin": body})
        return sum(shard.samples for shard in writer.shards)

    return write


def _read() -> Callable[[str, int], int]:
    from aistorch import AISShardReader

    def read(endpoint: str, _samples: int) -> int:
        return sum(len(files["bin"]) == SIZE for _, files in AISShardReader(client_url=endpoint, urls_list=URL))

    return read


def _memory(field: str) -> float:
    """MB that are, or at the most were, resident."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] in (["write"], ["read"]):
        _step(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
