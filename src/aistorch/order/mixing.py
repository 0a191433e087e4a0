"""From which of several components each sample of a mixture comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from aistorch.errors import InvalidArgumentError


@dataclass(frozen=True)
class MixPlan:
    """Takes samples from components in proportion to their weights, exact within one sample after every sample.

    The rule is that of R. Tijdeman, "The chairman assignment problem" (Discrete Mathematics 32, 1980): of the
    components that are not ahead of their share, the one whose turn can be put off the least comes next. Simply taking
    the one that is the furthest behind can be wrong by more than a sample.

    All is computed in whole numbers, so nothing drifts; after `sum(shares)` samples each component has given its share,
    and the pattern begins again.

    Attributes:
        shares: The weights as whole numbers without a common divisor.
    """

    shares: tuple[int, ...]

    @classmethod
    def of_weights(cls, weights: Sequence[float]) -> MixPlan:
        """A plan for these weights, whatever their sum; 0.1 is a tenth, not the float next to it.

        Raises:
            InvalidArgumentError: There are none, or one is not a positive, finite number.
        """
        exact = [_exact(weight) for weight in weights]
        if not exact:
            raise InvalidArgumentError("weights: at least one is needed")
        scale = math.lcm(*(weight.denominator for weight in exact))
        whole = [int(weight * scale) for weight in exact]
        return cls(tuple(number // math.gcd(*whole) for number in whole))

    def choose(self, counts: Sequence[int]) -> int:
        """Which component gives the next sample.

        Args:
            counts: How many samples each has given so far, by this plan; all of its state.
        """
        if len(self.shares) == 1:
            return 0
        total, number = sum(self.shares), sum(counts) + 1
        slack = 2 * len(self.shares) - 2
        chosen, earliest, share_of_chosen = -1, 0, 1
        for component, (share, count) in enumerate(zip(self.shares, counts, strict=True)):
            if slack * (share * number - total * count) < total:
                continue  # ahead of its share
            # Its turn is due at sample deadline / share (times total / slack, the same for all).
            deadline = slack * (count + 1) - 1
            if chosen < 0 or deadline * share_of_chosen < earliest * share:
                chosen, earliest, share_of_chosen = component, deadline, share
        return chosen

    def until_exhausted(self, sizes: Sequence[int]) -> list[int]:
        """How many samples each component has given when one is first to give that has no more of its `sizes`."""
        periods = min(size // share for size, share in zip(sizes, self.shares, strict=True))
        counts = [periods * share for share in self.shares]
        while counts[chosen := self.choose(counts)] < sizes[chosen]:
            counts[chosen] += 1
        return counts


def _exact(weight: float) -> Fraction:
    try:
        # By its digits: the fraction of a float's bits has a denominator of up to 2**1074.
        exact = Fraction(str(weight))
    except ValueError:
        exact = Fraction(0)
    if exact <= 0:
        raise InvalidArgumentError(f"weights: {weight!r} is not a positive, finite number")
    return exact


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
