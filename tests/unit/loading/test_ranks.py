"""Rank and world size: what is given, what torch.distributed says, the environment, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import distributed

from aistorch.errors import InvalidArgumentError
from aistorch.loading.ranks import World


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


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


@pytest.mark.parametrize("variables", [{"RANK": "1"}, {"WORLD_SIZE": "2"}, {"RANK": "a", "WORLD_SIZE": "2"}])
def test_an_environment_that_cannot_be(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidArgumentError, match="RANK"):
        World.now()
