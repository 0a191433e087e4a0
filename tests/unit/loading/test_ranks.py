"""Rank and world size: what is given, what torch.distributed says, what launchers set, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import distributed

from aistorch import AISDataLoader
from aistorch.errors import InvalidArgumentError, UnknownRankWarning
from aistorch.loading.launchers import VARIABLES
from aistorch.loading.ranks import World


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of one, whose rank is 0 of 1."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_a_process_that_knows_nothing_is_the_only_one() -> None:
    assert World.now() == World(0, 1)
    assert World.of_torch() is None


def test_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in ("0", "2"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert World.now() == World(int(rank), 3)


@pytest.mark.usefixtures("group")
def test_torch_distributed_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert World.now() == World(0, 1)
    assert World.now(1, 2) == World(1, 2)


def test_what_is_given_goes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert World.now(0, 2) == World(0, 2)


@pytest.mark.parametrize(("rank", "size"), [(2, 2), (-1, 2), (0, 0), (None, 2), (1, None)])
def test_ranks_that_cannot_be(rank: int | None, size: int | None) -> None:
    with pytest.raises(InvalidArgumentError, match="rank"):
        World.now(rank, size)


STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}
LIGHTNING = {"WORLD_SIZE": "4", "NODE_RANK": "0", "LOCAL_RANK": "3"}  # of its children, before `fit`
BATCH_SCRIPT = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"}  # which is one process


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"RANK": "2", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "9"}, World(2, 3)),
        (LIGHTNING, World(3, 4)),
        ({"WORLD_SIZE": "4", "NODE_RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, World(3, 4)),
        ({"WORLD_SIZE": "4", "GROUP_RANK": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}, World(2, 4)),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, World(1, 2)),
        ({**LIGHTNING, **BATCH_SCRIPT}, World(3, 4)),
        ({**STEP, "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8"}, World(5, 8)),
        ({**STEP, "SLURM_PROCID": "5", "SLURM_NTASKS": "8"}, World(5, 8)),
        # An interactive shell within a job of eight tasks.
        ({**STEP, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"}, World(0, 1)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, World(3, 4)),
        # mpirun in a job of two nodes: its daemons are a step of two tasks.
        (
            {"OMPI_COMM_WORLD_RANK": "9", "OMPI_COMM_WORLD_SIZE": "16", **STEP}
            | {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "16"},
            World(9, 16),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, World(1, 2)),
        ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, World(1, 2)),
        ({"MVP_COMM_WORLD_RANK": "1", "MVP_COMM_WORLD_SIZE": "2"}, World(1, 2)),
        # Exported by a batch script, which starts the ranks with srun.
        ({"WORLD_SIZE": "8", **STEP, "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"}, World(5, 8)),
        ({"WORLD_SIZE": "1"}, World(0, 1)),
        ({"LOCAL_RANK": "0"}, World(0, 1)),
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, World(0, 1)),
    ],
)
@pytest.mark.filterwarnings("error::aistorch.errors.UnknownRankWarning")
def test_what_launchers_set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: World) -> None:
    set_all(monkeypatch, variables)
    assert World.now() == expected


@pytest.mark.parametrize(
    "variables",
    [
        BATCH_SCRIPT,
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"},
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2", "LOCAL_RANK": "1"},  # of how many on this node, and on which node?
        {"WORLD_SIZE": "4", "LOCAL_RANK": "1", "NODE_RANK": "1"},
        {"LOCAL_RANK": "1"},
        {"PMI_RANK": "1"},
        {"OMPI_COMM_WORLD_SIZE": "2"},
        {"NODE_RANK": "node-1"},
    ],
)
def test_one_of_several_that_does_not_know_which_says_so(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    set_all(monkeypatch, variables)
    with pytest.warns(UnknownRankWarning, match="rank= and world_size=") as warned:
        assert World.now() == World(0, 1)
    assert all(f"{name}={value}" in str(warned[0].message) for name, value in variables.items())
    assert ("only in what srun has started" in str(warned[0].message)) == ("SLURM_PROCID" in variables)


@pytest.mark.filterwarnings("error::aistorch.errors.UnknownRankWarning")
def test_who_says_its_rank_is_not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, BATCH_SCRIPT)
    assert World.now(0, 1) == World(0, 1)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RANK": "1"}, "WORLD_SIZE"),
        ({"RANK": "a", "WORLD_SIZE": "2"}, "RANK"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK"),
        ({**LIGHTNING, "LOCAL_RANK": "4"}, "LOCAL_RANK"),
        ({**LIGHTNING, "LOCAL_WORLD_SIZE": "2"}, "LOCAL_WORLD_SIZE"),
        ({**STEP, "SLURM_PROCID": "8", "SLURM_NTASKS": "8"}, "SLURM_PROCID"),
        ({"PMI_RANK": "-1", "PMI_SIZE": "2"}, "PMI_RANK"),
        (
            {"WORLD_SIZE": "8", **STEP, "SLURM_PROCID": "1", "SLURM_NTASKS": "2"},
            "WORLD_SIZE is 8 and SLURM_NTASKS is 2",
        ),
    ],
)
def test_an_environment_that_cannot_be(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str) -> None:
    set_all(monkeypatch, variables)
    with pytest.raises(InvalidArgumentError, match=named):
        World.now()


def test_a_loader_has_a_length_in_lightnings_children(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, LIGHTNING)
    assert len(AISDataLoader(range(16), 2)) == 2  # type: ignore[arg-type]
