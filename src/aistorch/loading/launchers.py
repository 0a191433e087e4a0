"""What the programs that start the processes of a training run tell them in variables: one row for each program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from aistorch.errors import InvalidArgumentError

Environment = Mapping[str, str]


class Found(NamedTuple):
    """A rank and a number of ranks, and what they are called where they were found; None: not set."""

    rank_name: str
    rank: int | None
    size_name: str
    size: int | None


@dataclass(frozen=True)
class Pair:
    """A launcher that sets one variable for the rank and one for the number of ranks.

    Attributes:
        rank: The variable of the rank.
        sizes: The variables of the number of ranks; the first that is set counts.
        believed: Whether the variables are about this process; they are inherited by all that it starts.
    """

    rank: str
    sizes: tuple[str, ...]
    believed: Callable[[Environment], bool] = bool

    def __call__(self, environment: Environment) -> Found | None:
        """What it has set, None unless it is both."""
        size = next((name for name in self.sizes if name in environment), None)
        if self.rank not in environment or size is None or not self.believed(environment):
            return None
        return Found(self.rank, number(environment, self.rank), size, number(environment, size))


def of_torchrun(environment: Environment) -> Found | None:
    """`RANK` with `WORLD_SIZE`; either is told to be missing rather than looked for elsewhere once `RANK` is set."""
    if "RANK" not in environment:
        return None
    return Found("RANK", number(environment, "RANK"), "WORLD_SIZE", number(environment, "WORLD_SIZE"))


def of_local_rank(environment: Environment) -> Found | None:
    """`WORLD_SIZE`, and the rank within a node with the number of that node: Lightning's children, before `fit`."""
    size, local = number(environment, "WORLD_SIZE"), number(environment, "LOCAL_RANK")
    if size is None or local is None:
        return None
    on_node = number(environment, "LOCAL_WORLD_SIZE")
    if on_node is not None and local >= on_node:
        return Found("LOCAL_RANK", local, "LOCAL_WORLD_SIZE", on_node)  # which is refused
    node = next((number(environment, name) for name in ("NODE_RANK", "GROUP_RANK") if name in environment), None)
    if node == 0 or on_node == size:
        return Found("LOCAL_RANK", local, "WORLD_SIZE", size)
    if node is None or on_node is None:
        return None
    return Found("the rank after NODE_RANK and LOCAL_RANK", node * on_node + local, "WORLD_SIZE", size)


def _is_step(environment: Environment) -> bool:
    """Whether srun started this: a batch script is one process, with `SLURM_PROCID=0` and `SLURM_NTASKS` of its job."""
    return "SLURM_JOB_ID" not in environment or "SLURM_STEP_ID" in environment or "SLURM_STEP_NUM_TASKS" in environment


# The first that is set counts, so the launchers that others start come first: mpirun starts its daemons by srun, one
# for each node, whose SLURM variables the ranks inherit.
LAUNCHERS: tuple[Callable[[Environment], Found | None], ...] = (
    of_torchrun,
    of_local_rank,
    Pair("OMPI_COMM_WORLD_RANK", ("OMPI_COMM_WORLD_SIZE",)),
    Pair("MV2_COMM_WORLD_RANK", ("MV2_COMM_WORLD_SIZE",)),
    Pair("MVP_COMM_WORLD_RANK", ("MVP_COMM_WORLD_SIZE",)),
    Pair("PMI_RANK", ("PMI_SIZE",)),
    Pair("SLURM_PROCID", ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"), _is_step),
)

_PAIRS = [launcher for launcher in LAUNCHERS if isinstance(launcher, Pair)]
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", *(pair.rank for pair in _PAIRS))
_SIZES = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", *(name for pair in _PAIRS for name in pair.sizes))
VARIABLES = (*_RANKS, *_SIZES, "SLURM_JOB_ID", "SLURM_STEP_ID")
"""All that a rank is looked for in."""


def several_in_sight(environment: Environment) -> bool:
    """Whether a variable speaks of more than one process."""
    ranks = any(environment.get(name, "0") not in ("0", "-1") for name in _RANKS)
    return ranks or any(environment.get(name, "1") not in ("0", "1") for name in _SIZES)


def number(environment: Environment, name: str) -> int | None:
    """The number in a variable, None where it is not set.

    Raises:
        InvalidArgumentError: It is no whole number.
    """
    text = environment.get(name)
    try:
        return None if text is None else int(text)
    except ValueError:
        raise InvalidArgumentError(f"the environment variable {name} must be a whole number, and is {text!r}") from None
