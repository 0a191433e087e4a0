"""How many requests are under way at once: as many as make reading faster, and no more."""

from __future__ import annotations

from aistorch.config import ReadConfig

FLOOR = 16
START = 48
CAP = 1024
# One growth must pay at least this much, or it is taken back.
_WORTHWHILE = 1.05
_GROWTH = 1.5
_PATIENCE = 8


class Window:
    """Adapts the number in flight to what is measured, by trying.

    While the consumer takes samples faster than they arrive, more in flight is tried; where throughput follows, it
    stays, else it is taken back and not tried again for a while. While the consumer is the slower one, nothing
    changes: what is in flight is enough already.

    Attributes:
        in_flight: Requests to keep under way.
    """

    def __init__(self, config: ReadConfig) -> None:
        self._fixed = config.in_flight is not None
        self.in_flight = config.in_flight or START
        self._last_rate = 0.0
        self._before_trial = 0
        self._rest = 0

    def observe(self, completed: int, elapsed: float, waited: float) -> None:
        """Learns from a stretch of reading.

        Args:
            completed: Objects that arrived in it.
            elapsed: Seconds it took.
            waited: Seconds of these in which the consumer waited for the network.
        """
        if self._fixed or elapsed <= 0:
            return
        rate = completed / elapsed
        if waited < 0.2 * elapsed:
            self._before_trial = 0
        elif self._before_trial:
            self._judge(rate)
        elif self._rest:
            self._rest -= 1
        else:
            self._try_more(rate)

    def _try_more(self, rate: float) -> None:
        more = min(CAP, int(self.in_flight * _GROWTH))
        if more > self.in_flight:
            self._before_trial, self._last_rate, self.in_flight = self.in_flight, rate, more

    def _judge(self, rate: float) -> None:
        if rate >= self._last_rate * _WORTHWHILE:
            self._before_trial = 0
            self._try_more(rate)
        else:
            self.in_flight, self._before_trial, self._rest = max(FLOOR, self._before_trial), 0, _PATIENCE
