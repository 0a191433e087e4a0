"""Ray Train: loaders as they are and prepared, every sample once an epoch. Runs where Ray is installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.trainers import check_epochs, epoch_of, loader_of

pytest.importorskip("ray", reason="pip install 'ray[train]'")
pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

CASES = [(kind, workers) for kind in ("map", "iter", "shards") for workers in (0, 2)]


def train(config: dict[str, Any]) -> None:
    from ray import train
    from ray.train.torch import prepare_data_loader

    found = {}
    for kind, workers in CASES:
        loader = prepare_data_loader(loader_of(kind, config["endpoint"], workers))
        epochs = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)  # as Ray's documentation has it
            epochs.append(epoch_of(loader))
        found[f"{kind}, {workers} workers, prepared"] = epochs
    for kind in ("map", "iter"):
        loader = loader_of(kind, config["endpoint"])
        found[f"{kind}, as it is"] = [epoch_of(loader) for _ in range(2)]
    rank = train.get_context().get_world_rank()
    Path(config["folder"], f"{rank}.json").write_text(json.dumps(found))


def test_every_sample_is_read_once(endpoint: str, tmp_path: Path) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    variables = {"PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": "lo"}
    ray.init(num_cpus=4, include_dashboard=False, runtime_env={"env_vars": variables}, log_to_driver=False)
    try:
        TorchTrainer(
            train,
            train_loop_config={"endpoint": endpoint, "folder": str(tmp_path)},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=2, use_gpu=False, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(storage_path=str(tmp_path / "runs")),
        ).fit()
    finally:
        ray.shutdown()
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for case in first:
        check_epochs([first[case], second[case]], case=case)
