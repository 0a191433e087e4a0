"""Which of the processes of a training run this one is."""

from __future__ import annotations

import os
import warnings
from typing import NamedTuple

from torch import distributed

from aistorch.errors import InvalidArgumentError, UnknownRankWarning
from aistorch.loading.launchers import LAUNCHERS, VARIABLES, Found, number, several_in_sight


class World(NamedTuple):
    """Rank `rank` of `size`; a process that trains alone is the only one."""

    rank: int = 0
    size: int = 1

    @classmethod
    def now(cls, rank: int | None = None, world_size: int | None = None) -> World:
        """Where this process stands at this moment, so that a dataset may be made before `torch.distributed` is.

        Args:
            rank: As the user gave it; with `world_size` it goes before all else.
            world_size: As the user gave it.

        Returns:
            What was given; else what `torch.distributed` says where it is initialised; else what the variables of
            torchrun, Lightning, MPI or SLURM say; else the only rank, with an `UnknownRankWarning` where variables
            speak of several processes and none tells which this is.

        Raises:
            InvalidArgumentError: Only one of the two is known, or there is no such rank.
        """
        if rank is not None or world_size is not None:
            return _checked(Found("rank", rank, "world_size", world_size))
        return cls.of_torch() or _of_environment() or cls()

    @classmethod
    def of_torch(cls) -> World | None:
        """What `torch.distributed` says; None where it is not initialised."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return None
        return cls(distributed.get_rank(), distributed.get_world_size())


def _of_environment() -> World | None:
    found = next((found for launcher in LAUNCHERS if (found := launcher(os.environ))), None)
    if found is None:
        if several_in_sight(os.environ):
            warnings.warn(_unknown_rank(), UnknownRankWarning, stacklevel=3)
        return None
    world = _checked(found)
    told = number(os.environ, "WORLD_SIZE")
    if told not in (None, world.size):
        raise InvalidArgumentError(
            f"WORLD_SIZE is {told} and {found.size_name} is {world.size}, and RANK is not set: set RANK and WORLD_SIZE,"
            " or give rank= and world_size=, or start the processes with torchrun, which sets what belongs together"
        )
    return world


def _checked(found: Found) -> World:
    rank_name, rank, size_name, size = found
    if rank is None or size is None:
        known, missing = (rank_name, size_name) if size is None else (size_name, rank_name)
        raise InvalidArgumentError(f"{known} is set and {missing} is not: a rank means nothing without both")
    if size < 1 or not 0 <= rank < size:
        raise InvalidArgumentError(f"{rank_name} is {rank} with {size_name} {size}; ranks go from 0 to {size_name} - 1")
    return World(rank, size)


def _unknown_rank() -> str:
    seen = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ)
    batch_script = " SLURM_PROCID tells a rank only in what srun has started." if "SLURM_PROCID" in os.environ else ""
    return (
        "this process seems to be one of several and does not know which, so it reads all samples, as each of them "
        f"does (seen: {seen}).{batch_script} Start it with torchrun, srun or mpirun, or initialise torch.distributed "
        "before iteration, or give rank= and world_size=; rank=0, world_size=1 if it trains alone"
    )
