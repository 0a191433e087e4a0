"""Medians and ratios of measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from aistorch.bench.task import Figures, Run
from aistorch.bench.workload import Goal, Workload


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Of these values; None where there are none."""
        known = sorted(values)
        return cls(median(known), known[0], known[-1]) if known else None


def figures_of(runs: Sequence[Run], workload: str, contender: str) -> dict[int, Figures]:
    """What was measured, by round; those that failed are not there."""
    return {
        run.round: run.figures for run in runs if run.figures and (run.workload, run.contender) == (workload, contender)
    }


def spread(
    runs: Sequence[Run], workload: str, contender: str, figure: Callable[[Figures], float | None]
) -> Spread | None:
    """A figure over all rounds."""
    values = (figure(each) for each in figures_of(runs, workload, contender).values())
    return Spread.of(value for value in values if value is not None)


def ratio(
    runs: Sequence[Run], workload: str, contender: str, against: str, figure: Callable[[Figures], float | None]
) -> Spread | None:
    """A contender's figure divided by another's of the same round, over all rounds that have both.

    Neighbours in time have met the same machine; the ratio of two medians would compare different moments.
    """
    ours, theirs = figures_of(runs, workload, contender), figures_of(runs, workload, against)
    pairs = ((figure(ours[number]), figure(theirs[number])) for number in ours.keys() & theirs.keys())
    return Spread.of(mine / other for mine, other in pairs if mine is not None and other)


def reached(runs: Sequence[Run], workload: Workload, goal: Goal) -> Spread | None:
    """What aistorch has come to where `goal` is set; None where that was not measured."""

    def figure(figures: Figures) -> float:
        return float(getattr(figures, goal.metric))

    if goal.against:
        return ratio(runs, workload.name, "aistorch", goal.against, figure)
    return spread(runs, workload.name, "aistorch", figure)
