"""A training job of several ranks, run by `python -m torch.distributed.run`: notes what each rank reads at each step.

Arguments: endpoint, bucket, folder, after how many steps all ranks are killed (0: never).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from aistorch import AISDataLoader, AISIterDataset

BATCH = 4


def as_tensors(samples: list[tuple[str, bytes]]) -> tuple[list[str], torch.Tensor]:
    return [name for name, _ in samples], torch.tensor([[float(len(body))] for _, body in samples])


def main(endpoint: str, bucket: str, folder: Path, kill_after: int) -> None:
    # Made before the process knows its rank.
    dataset = AISIterDataset(client_url=endpoint, urls_list=f"ais://{bucket}", shuffle=True, seed=6)
    loader = AISDataLoader(dataset, BATCH, num_workers=1, collate_fn=as_tensors)
    checkpoint = folder / "checkpoint.json"
    distributed.init_process_group("gloo")
    rank, size = distributed.get_rank(), distributed.get_world_size()
    model = DistributedDataParallel(nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    step = 0
    if checkpoint.exists():
        state = json.loads(checkpoint.read_text())
        loader.load_state_dict(state["loader"])
        step = state["step"]
    distributed.barrier()
    with (folder / f"read-{size}-{rank}.jsonl").open("a") as log:
        for names, sizes in loader:
            optimizer.zero_grad()
            model(sizes).square().mean().backward()  # waits for all ranks
            optimizer.step()
            step += 1
            log.write(json.dumps([step, rank, names]) + "\n")
            log.flush()
            if kill_after and step > kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            if rank == 0:
                written = checkpoint.with_suffix(".new")
                written.write_text(json.dumps({"step": step, "loader": loader.state_dict()}))
                written.replace(checkpoint)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
