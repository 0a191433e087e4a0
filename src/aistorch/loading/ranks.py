"""Which of the processes of a training run this one is."""

from __future__ import annotations

import os
from typing import NamedTuple

from torch import distributed

from aistorch.errors import InvalidArgumentError


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
            What was given; else what `torch.distributed` says where it is initialised; else the environment variables
            `RANK` and `WORLD_SIZE`; else the only rank.

        Raises:
            InvalidArgumentError: Only one of the two is known, or there is no such rank.
        """
        if rank is not None or world_size is not None:
            return _checked("rank", rank, "world_size", world_size)
        return cls.of_torch() or _of_environment() or cls()

    @classmethod
    def of_torch(cls) -> World | None:
        """What `torch.distributed` says; None where it is not initialised."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return None
        return cls(distributed.get_rank(), distributed.get_world_size())


def _of_environment() -> World | None:
    rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None and size is None:
        return None
    return _checked("the environment variable RANK", _number(rank), "WORLD_SIZE", _number(size))


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        raise InvalidArgumentError(f"RANK and WORLD_SIZE must be whole numbers, and one of them is {text!r}") from None


def _checked(rank_name: str, rank: int | None, size_name: str, size: int | None) -> World:
    if rank is None or size is None:
        known, missing = (rank_name, size_name) if size is None else (size_name, rank_name)
        raise InvalidArgumentError(f"{known} is set and {missing} is not: a rank means nothing without both")
    if size < 1 or not 0 <= rank < size:
        raise InvalidArgumentError(f"{rank_name} is {rank} with {size_name} {size}; ranks go from 0 to {size_name} - 1")
    return World(rank, size)
