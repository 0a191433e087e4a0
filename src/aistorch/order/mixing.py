"""From which of several components each sample of a mixture comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

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
