"""How many requests are under way at once: as many as make reading faster, and no more."""

from __future__ import annotations

from aistorch.config import ReadConfig

FLOOR = 16
START = 48
CAP = 1024
STEP = 1.5
# More in flight must pay at least this much to stay; fewer may cost at most as much as the last figure says.
GAIN, LOSS = 1.05, 0.97
# Stretches between two trials once one has failed.
PATIENCE = 8
# A consumer that waits for less than this share of its time has enough in flight.
WAITING = 0.2


class Window:
    """Adapts the number in flight to what is measured, by trying.

    While the consumer waits for the network, more in flight is tried: with latency on the path, throughput follows,
    and it stays. Where throughput does not follow, it is taken back, and fewer are tried in their turn: what adds
    nothing to throughput only takes memory. While the consumer is the slower one, nothing changes.

    Attributes:
        in_flight: Requests to keep under way.
    """

    def __init__(self, config: ReadConfig) -> None:
        self._fixed = config.in_flight is not None
        self.in_flight = config.in_flight or START
        self._before = 0  # in flight before the trial that is on; 0: none is
        self._rate = 0.0  # then
        self._rest = 0
        self._upwards = True

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
        if waited < WAITING * elapsed:
            self._before = 0
        elif self._before:
            self._judge(rate)
        elif self._rest:
            self._rest -= 1
        else:
            self._try(rate)

    def _try(self, rate: float) -> None:
        other = min(CAP, int(self.in_flight * STEP)) if self._upwards else max(FLOOR, int(self.in_flight / STEP))
        if other == self.in_flight:
            self._turn()
        else:
            self._before, self._rate, self.in_flight = self.in_flight, rate, other

    def _judge(self, rate: float) -> None:
        before, self._before = self._before, 0
        if rate >= self._rate * (GAIN if self._upwards else LOSS):
            self._try(rate)
        else:
            self.in_flight = before
            self._turn()

    def _turn(self) -> None:
        self._upwards = not self._upwards
        self._rest = PATIENCE
