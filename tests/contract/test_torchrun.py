"""Real ranks: they train together, are killed, and others go on, as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket

from aistorch import AISIterDataset
from tests.support import ddp_job
from tests.support.objects import new_bucket
from tests.support.private_network import is_private

if TYPE_CHECKING:
    from tests.contract.conftest import Server

COUNT = 45
ROOT = Path(__file__).parents[2]
NAMES = [f"o{number:03}" for number in range(COUNT)]

pytestmark = pytest.mark.skipif(
    not is_private(), reason="torch.distributed listens on all interfaces, so it needs a private network (`make test`)"
)


@pytest.fixture(scope="module")
def filled(second_server: Server) -> Iterator[Bucket]:
    with new_bucket(
        second_server.client(), {name: name.encode() * (index + 1) for index, name in enumerate(NAMES)}
    ) as made:
        yield made


def run(server: Server, bucket: Bucket, folder: Path, ranks: int, kill_after: int = 0) -> int:
    """Runs the job, and tells how it ended."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    arguments = ["--module", ddp_job.__name__, server.endpoint, bucket.name, str(folder), str(kill_after)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    ended = subprocess.run(
        command + arguments, cwd=ROOT, env=environment, timeout=180, capture_output=True, check=False
    )
    if not kill_after:
        assert ended.returncode == 0, ended.stderr.decode()
    return ended.returncode


def read(folder: Path, ranks: int, first: int = 1, last: int = 1000) -> list[str]:
    """What these ranks have read in these steps, in global order."""
    lines = [json.loads(line) for log in folder.glob(f"read-{ranks}-*.jsonl") for line in log.read_text().splitlines()]
    steps = sorted((step, rank, names) for step, rank, names in lines if first <= step <= last)
    assert len({len(names) for step, _, names in steps if step == steps[-1][0]}) == 1
    return [name for _, _, names in steps for name in names]


@pytest.mark.timeout(400)
def test_ranks_that_were_killed_are_followed_by_others(second_server: Server, filled: Bucket, tmp_path: Path) -> None:
    never_killed = [name for name, _ in AISIterDataset(filled, shuffle=True, seed=6)]
    assert run(second_server, filled, tmp_path, ranks=3, kill_after=2) != 0
    saved = json.loads((tmp_path / "checkpoint.json").read_text())["step"]
    assert saved == 2
    # The third step was made, and lost with its ranks.
    assert len(read(tmp_path, 3)) == 3 * 3 * ddp_job.BATCH
    run(second_server, filled, tmp_path, ranks=2)
    # Of 21 samples that are left, two ranks have 11 each: the first of the epoch is repeated, and nobody waits.
    assert read(tmp_path, 3, last=saved) + read(tmp_path, 2) == [*never_killed, never_killed[0]]


def test_ranks_are_known_before_there_is_a_process_group(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib, sys\n"
        "from aistorch.loading.ranks import World\n"
        "(pathlib.Path(sys.argv[1]) / '-'.join(map(str, World.now()))).touch()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path)], cwd=ROOT, env=environment, timeout=100, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "0-2", "1-2"}
