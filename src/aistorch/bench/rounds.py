"""The measurements of a benchmark: contenders take turns, and each of their turns is a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from aistorch.bench.child import run_task
from aistorch.bench.compute import calibrate
from aistorch.bench.errors import BenchmarkError
from aistorch.bench.relay import Relay
from aistorch.bench.task import Figures, Run, Task
from aistorch.bench.with_webdataset import has_webdataset
from aistorch.bench.workload import Workload
from aistorch.bench.wrk import find_wrk, measure_wrk


class Rounds:
    """Makes measurements on one server.

    Args:
        endpoint: The proxy's URL.
        workloads: What to measure.
        wrk_seconds: For how long `wrk` runs.
    """

    def __init__(self, endpoint: str, workloads: Sequence[Workload], wrk_seconds: int) -> None:
        self._endpoint, self._wrk_seconds = endpoint, wrk_seconds
        # What is not installed cannot be compared with; that is no error.
        found = {"wrk": find_wrk(), "webdataset": has_webdataset()}
        self._turns = [
            (workload, contender)
            for workload in workloads
            for contender in workload.contenders
            if found.get(contender, True)
        ]

    @property
    def turns(self) -> int:
        """Measurements in a round."""
        return len(self._turns)

    def run(self, rounds: int, on_turn: Callable[[Workload, str], None]) -> Iterator[Run]:
        """All measurements, one after another; `on_turn` is called before each.

        One that fails is a result, too, and the others go on.
        """
        for number in range(rounds):
            for workload, contender in self._turns:
                on_turn(workload, contender)
                try:
                    figures = self._measure(workload, contender)
                except BenchmarkError as error:
                    yield Run(workload.name, contender, number, error=str(error))
                else:
                    yield Run(workload.name, contender, number, figures)

    def _measure(self, workload: Workload, contender: str) -> Figures | None:
        if contender == "wrk":
            return measure_wrk(self._endpoint, workload.bucket, self._wrk_seconds)
        with self._detours(workload) as detours:
            return run_task(
                Task(
                    contender,
                    workload.task,
                    self._endpoint,
                    workload.bucket,
                    workload.workers,
                    workload.compute,
                    self._amounts[workload.compute] if workload.compute else 0,
                    detours,
                )
            )

    @contextmanager
    def _detours(self, workload: Workload) -> Iterator[dict[str, str]]:
        """Where to connect to; sees to it that nobody has gone the shorter way."""
        if not workload.latency_ms:
            yield {}
            return
        with Relay(self._endpoint, workload.latency_ms / 1e3) as relay:
            yield relay.detours
            passed, expected = relay.passed(), workload.bucket.bytes
        if passed < expected:
            raise BenchmarkError(f"only {passed} of {expected} bytes came through the relay that adds latency")

    @cached_property
    def _amounts(self) -> dict[str, int]:
        """Calibrated once: all contenders of a benchmark compute the same."""
        return {kind: calibrate(kind) for kind in ("python", "native")}
