"""The contender `wrk`: as many GETs as one target and one core of the client can do, without listing or checking."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from aistore.sdk import Client

from aistorch.bench.content import object_name
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.task import Figures
from aistorch.bench.workload import BucketSpec

_CONNECTIONS = 24
_HEAD_SIZE = 512  # bytes, more than there are in the head of a reply
# `done` runs once, after all requests; times are in microseconds.
_SCRIPT = """
local paths = {PATHS}
local requests, i = {}, 0
function init(args)
  for k, path in ipairs(paths) do requests[k] = wrk.format("GET", path) end
end
function request()
  i = i % #requests + 1
  return requests[i]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "bytes": %d, "microseconds": %d, "errors": %d}\\n', summary.requests,
    summary.bytes, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def find_wrk() -> str | None:
    """The path of the program, where it is installed."""
    return shutil.which("wrk")


def wrk_version() -> str:
    """Which one it is, empty where there is none."""
    program = find_wrk()
    if program is None:
        return ""
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"wrk \S*?(\d+(\.\d+)+)", told.stdout + told.stderr)
    return found[1] if found else "unknown"


def measure_wrk(endpoint: str, spec: BucketSpec, seconds: int) -> Figures:
    """Reads the objects of one target over and over for so many seconds.

    Raises:
        BenchmarkError: It is not installed, or a request failed.
    """
    program = find_wrk()
    if program is None:
        raise BenchmarkError("wrk is not installed")
    url, paths = _one_target(endpoint, spec)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "paths.lua")
        script.write_text(_SCRIPT.replace("PATHS", ",".join(f'"{path}"' for path in paths)))
        command = [program, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", f"-s{script}", url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        with process:
            output = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"wrk ended with status {process.returncode}")
    told = json.loads(output.strip().splitlines()[-1])
    if told["errors"] or not told["requests"]:
        raise BenchmarkError(f"wrk had {told['errors']} errors in {told['requests']} requests")
    # Replies that were under way in the end are no requests for wrk; of large objects that would be many bytes.
    samples = max(int(told["requests"]), int(told["bytes"]) // (spec.size + _HEAD_SIZE))
    cpu = usage.ru_utime + usage.ru_stime
    return Figures(samples, samples * spec.size, told["microseconds"] / 1e6, cpu)


def _one_target(endpoint: str, spec: BucketSpec) -> tuple[str, list[str]]:
    """The URL of the target that has most of the objects, and the paths of those."""
    client = Client(endpoint)
    targets = client.cluster().get_info().tmap
    owned: dict[str, list[str]] = {name: [] for name in targets}
    for entry in client.bucket(spec.name).list_objects_iter(props="name,location"):
        owner = entry.location.removeprefix("t[").partition("]")[0]
        owned[owner].append(f"/v1/objects/{spec.name}/{entry.name}?provider=ais")
    chosen = max(owned, key=lambda name: len(owned[name]))
    network = targets[chosen].public_net
    if network is None or not owned[chosen]:
        raise BenchmarkError(f"no target tells where it has {object_name(spec, 0)} of {spec.name}")
    return network.direct_url, owned[chosen]
