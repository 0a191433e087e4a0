"""Two real ranks: where they begin to read something different, one of them says so, and neither waits."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from torch import multiprocessing

from aistorch.loading.agreement import KEPT
from tests.support import agreement_job
from tests.support.private_network import is_private

pytestmark = pytest.mark.skipif(
    not is_private(), reason="torch.distributed listens on all interfaces, so it needs a private network (`make test`)"
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(methods: list[str], folder: Path) -> list[list[dict[str, Any]]]:
    """What the ranks have seen with each process group: one pair for each."""
    multiprocessing.spawn(  # type: ignore[attr-defined, no-untyped-call]
        agreement_job.main, (methods, str(folder), free_port()), nprocs=agreement_job.RANKS
    )
    return list(zip(*(json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)), strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["env", "tcp", "file"])
def test_ranks_that_disagree_are_noticed(method: str, tmp_path: Path) -> None:
    ways = {"env": ["env://"] * 2, "tcp": [f"tcp://127.0.0.1:{free_port()}" for _ in "12"]}
    methods = ways.get(method) or [f"file://{tmp_path / name}" for name in ("first", "second")]
    for zero, one in run(methods, tmp_path):
        for name in ("same", "same again", "after the child"):
            assert (zero[name], one[name]) == ("", "")
        assert zero["different"] == ""
        assert one["different"].startswith("ranks do not read the same train: epoch is 2 on rank 1 and 1 on rank 0. ")
        turned = "different, the other way round"
        assert one[turned] == ""
        assert zero[turned].startswith("ranks do not read the same train: epoch is 1 on rank 0 and 2 on rank 1. ")
        assert "epoch is None on rank 1 and 1 on rank 0" in one["missing"]
        assert zero["alone"] == [""] * 100
        assert max(zero["keys"], one["keys"]) <= KEPT
        assert zero["behind"] == one["behind"] == [""] * 3
        assert zero["child"] == one["child"] == "nothing"
