"""What one of two ranks sees of `check_agreement`: run by `torch.multiprocessing.spawn`, writes JSON for each rank."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import distributed

from aistorch.errors import RanksDisagreeError
from aistorch.loading.agreement import check_agreement

RANKS = 2


def says(what: str, **facts: Any) -> str:
    """What comes of it: "" where the ranks agree."""
    try:
        check_agreement(what, facts)
    except RanksDisagreeError as error:
        return str(error)
    return ""


def in_turn(first: int, what: str, facts: dict[int, dict[str, Any]]) -> str:
    """Both ranks say their facts, `first` first."""
    rank = distributed.get_rank()
    if rank != first:
        distributed.barrier()
    seen = says(what, **facts[rank])
    if rank == first:
        distributed.barrier()
    distributed.barrier()
    return seen


def keys() -> int:
    return distributed.distributed_c10d._get_default_store().num_keys()


def in_a_child(what: str) -> str:
    """What a forked process sees, which has its parent's connection to the store."""
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, says(what, epoch=99).encode() or b"nothing")
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 1000).decode()


def scenes(rank: int) -> dict[str, Any]:
    """By name, what this rank has seen."""
    same, other = {"epoch": 1, "seed": 7}, {"epoch": 2, "seed": 7}
    seen: dict[str, Any] = {
        "same": in_turn(0, "train", {0: same, 1: same}),
        "different": in_turn(0, "train", {0: same, 1: other}),
        "different, the other way round": in_turn(1, "train", {0: same, 1: other}),
        "same again": in_turn(1, "train", {0: other, 1: other}),
        "missing": in_turn(0, "train", {0: same, 1: {"seed": 7}}),
    }
    before = keys()
    distributed.barrier()
    if rank == 0:
        seen["alone"] = [says("validation", epoch=number) for number in range(100)]
    distributed.barrier()
    seen["keys"] = keys() - before
    distributed.barrier()
    # What rank 0 has done alone is compared where it can be, and what comes after.
    seen["behind"] = [says("other", epoch=number) for number in range(3 if rank == 0 else 0)]
    distributed.barrier()
    seen["behind"] += [says("other", epoch=number) for number in range(3 if rank == 1 else 0)]
    seen["child"] = in_a_child("train")
    seen["after the child"] = in_turn(0, "train", {0: same, 1: same})
    return seen


def main(index: int, methods: list[str], folder: str, port: int) -> None:
    """Runs as rank `index`, with one process group after another."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    seen = []
    for method in methods:
        distributed.init_process_group("gloo", init_method=method, rank=index, world_size=RANKS)
        seen.append(scenes(index))
        distributed.barrier()
        distributed.destroy_process_group()
    Path(folder, f"{index}.json").write_text(json.dumps(seen))
