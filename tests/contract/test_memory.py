"""Reading far more than the byte budget takes little more memory than the budget."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aistorch.server import EmbeddedAIStore

MIB = 1 << 20
BUDGET = 64 * MIB
ALLOWED = BUDGET + 60 * MIB
TOTAL = 10 * 1000**3

# A process of its own, whose peak is that of the reading alone.
READ = """
import sys
from pathlib import Path
from aistorch import AISIterDataset, ReadConfig

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))

endpoint, budget, total = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dataset = AISIterDataset(client_url=endpoint, urls_list="ais://large", config=ReadConfig(budget=budget))
len(dataset)
idle = kilobytes("VmRSS")
read = 0
while read < total:
    for _, content in dataset:
        read += len(content)
print((kilobytes("VmHWM") - idle) * 1024)
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(("size", "count"), [(MIB, 128), (8 * MIB, 16), (24 * MIB, 6)])
def test_ten_gigabytes_pass_through_the_budget(size: int, count: int) -> None:
    content = bytes(range(256)) * (size // 256)
    with EmbeddedAIStore() as server:
        bucket = server.client().bucket("large").create()
        for number in range(count):
            bucket.object(f"{number:03d}").get_writer().put_content(content)
        # The three sizes share the ten gigabytes.
        command = [sys.executable, "-c", READ, server.endpoint, str(BUDGET), str(TOTAL // 3)]
        growth = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert growth < ALLOWED
