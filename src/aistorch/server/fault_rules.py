"""Faults inside the server: which requests they hit, and with what effect. Tests ask for them by `faults.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

EFFECTS = ("delay", "status", "drop", "truncate", "shorten", "corrupt")
BODY_EFFECTS = ("drop", "truncate", "shorten", "corrupt")


@dataclass(slots=True)
class FaultRule:
    """One fault.

    Attributes:
        effect: One of `EFFECTS`.
        amount: Seconds, a status, or an offset in the body in bytes.
        contains: Part of the object's name; None for every object.
        prefix: The name's beginning.
        regex: A regular expression, searched for in the name.
        method: The HTTP method; None for every one.
        target: Only at this node; None for whichever node answers (not where one redirects).
        area: The part of the API: `objects`, `buckets`, `ml` (GetBatch), `daemon` (the map), `health`.
        after: How many requests pass unharmed before.
        times: How many are hit then; None for all.
        hits: How many were hit.
    """

    effect: str
    amount: float
    contains: str | None = None
    prefix: str | None = None
    regex: str | None = None
    method: str | None = "GET"
    target: str | None = None
    area: str = "objects"
    after: int = 0
    times: int | None = None
    hits: int = 0

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"unknown fault {self.effect!r}; use one of {', '.join(EFFECTS)}")
        try:
            re.compile(self.regex or "")
        except re.error as error:
            raise ValueError(f"invalid regular expression {self.regex!r}: {error}") from None

    def concerns(self, area: str, method: str, name: str) -> bool:
        """Whether a request is one that the rule means, by area, method and object."""
        return (
            area == self.area
            and self.method in (None, method)
            and (self.contains is None or self.contains in name)
            and (self.prefix is None or name.startswith(self.prefix))
            and (self.regex is None or re.search(self.regex, name) is not None)
        )

    def take(self) -> bool:
        """Counts a request that the rule means; whether it is hit."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


class FaultRules:
    """All faults of a server, in the order they were asked for."""

    def __init__(self) -> None:
        self._rules: dict[int, FaultRule] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, fields: dict[str, Any]) -> int:
        """Adds a rule; returns its number.

        Raises:
            ValueError: If the effect is unknown.
            TypeError: If a field is.
        """
        rule = FaultRule(**fields)
        self._last += 1
        self._rules[self._last] = rule
        return self._last

    def remove(self, number: int) -> None:
        """Takes a rule away; nothing happens if it is not there."""
        self._rules.pop(number, None)

    def clear(self) -> None:
        """Takes all rules away."""
        self._rules.clear()

    def hits(self) -> dict[int, int]:
        """How many requests each rule hit."""
        return {number: rule.hits for number, rule in self._rules.items()}

    def matching(self, area: str, method: str, name: str, nodes: tuple[str, ...], answers: bool) -> list[FaultRule]:
        """The rules that hit a request; it is counted.

        Args:
            area: The part of the API.
            method: The HTTP method.
            name: The object's name; empty where there is none.
            nodes: Ids of the node that got the request.
            answers: Whether that node answers, rather than redirects.
        """
        return [
            rule
            for rule in self._rules.values()
            if (answers if rule.target is None else rule.target in nodes)
            and rule.concerns(area, method, name)
            and rule.take()
        ]
