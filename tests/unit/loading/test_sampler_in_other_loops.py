"""`DynamicBatchSampler` in other loops, with two ranks: each batch once, or an error that says what to write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support import sampler_job

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(sampler_job.LIMIT + 60)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """By rank and case, the batches of each epoch, or the error; all of one job, since it takes long to start."""
    folder = tmp_path_factory.mktemp("job")
    cases = [case for case in sampler_job.CASES if is_there(case)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    ended = subprocess.run(
        [*command, "--module", sampler_job.__name__, "/".join(cases), str(folder)],
        cwd=ROOT, env=environment, timeout=sampler_job.LIMIT + 20, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr.decode()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def is_there(case: str) -> bool:
    module = {"fabric": "lightning"}.get(case.split()[0].strip(","), case.split()[0].strip(","))
    return module == "plain" or find_spec(module) is not None


def planned(epoch: int) -> list[list[int]]:
    sampler = sampler_job.sampler(rank=0, world_size=1)
    sampler.set_epoch(epoch)
    return list(sampler)


def in_turn(found: list[dict[str, Any]], case: str, epoch: int) -> list[list[int]]:
    """The batches of both ranks as they are dealt."""
    parts = [of_rank[case][epoch] for of_rank in found]
    assert len(parts[0]) - len(parts[1]) in (0, 1)
    return [part[number] for number in range(len(parts[0])) for part in parts if number < len(part)]


def skip_without(case: str) -> None:
    if not is_there(case):
        pytest.skip(f"{case.split()[0]} is not installed")


def test_the_last_round_has_a_batch_for_one_rank_only() -> None:
    """So that it can be seen what becomes of it."""
    assert len(planned(0)) % 2 == len(planned(1)) % 2 == 1


@pytest.mark.parametrize(
    "case", ["plain", "accelerate pad", "accelerate after skip_first_batches", "lightning", "fabric"]
)
def test_each_batch_comes_once_and_the_first_again_for_the_rank_that_lacks_one(
    found: list[dict[str, Any]], case: str
) -> None:
    skip_without(case)
    for epoch in range(sampler_job.EPOCHS):
        assert in_turn(found, case, epoch) == planned(epoch) + planned(epoch)[:1]


def test_ranks_of_accelerate_leave_out_the_same(found: list[dict[str, Any]]) -> None:
    skip_without("accelerate drop")
    for epoch in range(sampler_job.EPOCHS):
        assert in_turn(found, "accelerate drop", epoch) == planned(epoch)[:-1]


def test_ranks_of_accelerate_may_differ_by_a_batch(found: list[dict[str, Any]]) -> None:
    skip_without("accelerate off")
    for epoch in range(sampler_job.EPOCHS):
        assert in_turn(found, "accelerate off", epoch) == planned(epoch)


def test_predictions_of_lightning_are_made_once(found: list[dict[str, Any]]) -> None:
    skip_without("lightning predict")
    assert in_turn(found, "lightning predict", 0) == planned(0)


def test_accelerate_goes_on_with_a_state(found: list[dict[str, Any]]) -> None:
    skip_without("accelerate resumed")
    assert in_turn(found, "accelerate resumed", 0) == planned(1) + planned(1)[:1]
    assert in_turn(found, "accelerate resumed", 1) == planned(1)[6:] + planned(1)[:1]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("accelerate off, though it repeats", "DataLoaderConfiguration(even_batches=False)"),
        ("accelerate dispatch", "DataLoaderConfiguration(dispatch_batches=False)"),
        ("accelerate split", "`split_batches==True`"),
        ("lightning, as it is", "`Trainer(use_distributed_sampler=False)`"),
        ("fabric, as it is", "use_distributed_sampler=False"),
    ],
)
def test_what_would_break_batches_is_an_error_that_says_what_to_write(
    found: list[dict[str, Any]], case: str, message: str
) -> None:
    """With dispatch_batches, Accelerate asks the first rank only; the other one is told by its end."""
    skip_without(case)
    assert message in found[0][case]
    assert isinstance(found[1][case], str)
