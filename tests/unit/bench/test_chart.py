from __future__ import annotations

from pathlib import Path

import pytest

from aistorch.bench.chart import draw
from aistorch.bench.servers import ServerInfo
from tests.unit.bench.builders import CLUSTER, EMBEDDED, results, runs_of

RUNS = [
    *runs_of("iterate-4k", plugin=[700], aistorch=[21000], wrk=[30000]),
    *runs_of("shards-30k", plugin=[1500], webdataset=[2500], aistorch=[9000], floor=[30500]),
    *runs_of("shards-1m", plain=[520], aistorch=[490]),
    *runs_of("compute-python", plugin=[250], aistorch=[800], alone=[1000]),
]


def drawn(path: Path, server: ServerInfo = CLUSTER) -> str:
    """What is written in a chart; matplotlib notes every text beside its outline."""
    draw(results(RUNS, ["iterate-*", "shards-*", "compute-*"], server), path)
    return path.read_text()


def test_a_png_is_drawn_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "chart.png"
    draw(results(RUNS), path)
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(head[16:20], "big") > 800


@pytest.mark.parametrize(
    ("server", "title"),
    [(CLUSTER, "real AIStore cluster (1 proxy + 3 targets)"), (EMBEDDED, "embedded AIStore (1 proxy + 1 target)")],
)
def test_the_title_tells_which_server_it_was(server: ServerInfo, title: str, tmp_path: Path) -> None:
    assert f"<!-- {title}, client and server on one machine with 2 cores -->" in drawn(tmp_path / "a.svg", server)


def test_bars_have_their_values_and_readers_their_names(tmp_path: Path) -> None:
    text = drawn(tmp_path / "a.svg")
    for each in ("21,000  (30.0x)", "700", "30,000", "aistorch", "aistore.pytorch 2.0.0", "wrk: GETs alone"):
        assert each in text
    for each in (
        "9,000  (6.00x)",
        "2,500",
        "webdataset 1.0.2, pipe:curl",
        "aistorch, shards read as they are",
        "520",
        "30,500",
    ):
        assert each in text
    assert "AISIterDataset, 4 KiB" in text
    assert "AISShardReader, 1 MB" in text
    assert "1 ms of Python" not in text
