"""An epoch of a mixture as one sequence: which position stands for which sample of which component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aistorch.order.mixing import MixPlan


@dataclass(frozen=True, eq=False)
class MixedSequence:
    """An epoch of a mixture, by position.

    While the same components are mixed, the pattern of a `MixPlan` repeats itself: such a stretch is a segment.

    Attributes:
        segments: One after another.
        sizes: How many samples each component has.
    """

    segments: tuple[Segment, ...]
    sizes: tuple[int, ...]

    @classmethod
    def ending_with_first(cls, plan: MixPlan, sizes: Sequence[int]) -> MixedSequence:
        """Ends when it is the turn of a component that has no more."""
        counts = plan.until_exhausted(sizes)
        return cls((Segment.of(plan, range(len(sizes)), sum(counts), [0] * len(sizes)),), tuple(sizes))

    @classmethod
    def ending_with_all(cls, plan: MixPlan, sizes: Sequence[int]) -> MixedSequence:
        """Ends when none has more; one that has none when its turn comes drops out."""
        given, active, segments = [0] * len(sizes), list(range(len(sizes))), []
        while active:
            own = MixPlan.of_weights([plan.shares[number] for number in active])
            counts = own.until_exhausted([sizes[number] - given[number] for number in active])
            segments.append(Segment.of(own, active, sum(counts), given))
            for number, count in zip(active, counts, strict=True):
                given[number] += count
            del active[own.choose(counts)]
        return cls(tuple(segment for segment in segments if segment.length), tuple(sizes))

    @classmethod
    def without_end(cls, plan: MixPlan, sizes: Sequence[int]) -> MixedSequence:
        """Does not end: positions of a component go on through its next epochs."""
        return cls((Segment.of(plan, range(len(sizes)), UNENDING, [0] * len(sizes)),), tuple(sizes))

    def __len__(self) -> int:
        """How many samples it has; `UNENDING` where it does not end."""
        return sum(segment.length for segment in self.segments)

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The component of each position, and the position of the sample there."""
        ends = np.cumsum([segment.length for segment in self.segments], dtype=np.int64)
        at = np.searchsorted(ends, positions, side="right")
        components, own = np.empty_like(positions), np.empty_like(positions)
        for number in np.unique(at).tolist():
            chosen = at == number
            begin = int(ends[number]) - self.segments[number].length
            components[chosen], own[chosen] = self.segments[number].locate(positions[chosen] - begin)
        return components, own


UNENDING = 1 << 61
"""The length of what does not end: a million samples a second for 70,000 years."""


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a mixed epoch in which the same components are mixed.

    Attributes:
        length: How many samples it has.
        components: The component of each sample of the pattern, which repeats itself.
        turns: How many samples of the same component come before it in the pattern.
        before: How many samples each component has given when the segment begins.
        shares: How many it gives in one pattern.
    """

    length: int
    components: NDArray[np.int64]
    turns: NDArray[np.int64]
    before: NDArray[np.int64]
    shares: NDArray[np.int64]

    @classmethod
    def of(cls, plan: MixPlan, active: Sequence[int], length: int, before: Sequence[int]) -> Segment:
        """A segment of these components by a plan for them."""
        counts = [0] * len(active)
        components, turns = [], []
        for _ in range(min(length, sum(plan.shares))):
            turn = plan.choose(counts)
            components.append(active[turn])
            turns.append(counts[turn])
            counts[turn] += 1
        shares = np.zeros(len(before), np.int64)
        shares[list(active)] = plan.shares
        columns = [np.array(each, dtype=np.int64) for each in (components, turns, before)]
        return cls(length, columns[0], columns[1], columns[2], shares)

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The component of each position of the segment, and the position of the sample there."""
        patterns, at = np.divmod(positions, len(self.components))
        chosen = self.components[at]
        own = self.before[chosen] + patterns.astype(np.int64) * self.shares[chosen] + self.turns[at]
        return chosen, own
