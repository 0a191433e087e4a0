"""What a measuring process is told, and what it tells."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from aistorch.bench.workload import BucketSpec


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement to make, or (`verify`) a bucket to read and compare.

    Attributes:
        contender: Who does it.
        kind: `iterate`, `map`, `first`, `shards`, `rows` or `verify`.
        endpoint: The proxy's URL.
        bucket: What is read.
        workers: Of the DataLoader.
        compute: `python`, `native` or nothing.
        compute_amount: How much of it makes 1 ms.
        detours: Where to connect instead of `host:port`, as `host:port`.
    """

    contender: str
    kind: str
    endpoint: str
    bucket: BucketSpec
    workers: int = 0
    compute: str = ""
    compute_amount: int = 0
    detours: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text, for the other process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """From what `to_json` made."""
        values = json.loads(text)
        return cls(**{**values, "bucket": BucketSpec(**values["bucket"])})


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, from before the client was made; loading of modules does not count.

    Attributes:
        samples: How many were read, or are in the shards that were read.
        bytes: Of all samples together, or of those shards.
        seconds: Until the last sample was there.
        cpu_seconds: Processor time of the client and its workers, user and system, until all had ended.
        first_sample_seconds: Until the first sample was there; None where the contender has none.
        rss_before: Bytes of memory in use at most before, modules loaded; None where unknown.
        rss_peak: Bytes of memory in use at most, the main process or, if that needed more, a worker.
        latency_seconds: By how much a round trip took longer through the relay; None where there was none.
    """

    samples: int
    bytes: int
    seconds: float
    cpu_seconds: float
    first_sample_seconds: float | None = None
    rss_before: int | None = None
    rss_peak: int | None = None
    latency_seconds: float | None = None

    @property
    def samples_per_second(self) -> float:
        """Samples read in a second."""
        return self.samples / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        """Millions of bytes read in a second."""
        return self.bytes / self.seconds / 1e6

    @property
    def cpu_us_per_sample(self) -> float:
        """Microseconds of processor time for a sample."""
        return self.cpu_seconds / self.samples * 1e6


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: of a workload, by a contender, in a round; it has figures, or an error.

    Attributes:
        workload: Its name.
        contender: Its name.
        round: Counted from 0.
        figures: None where it failed.
        error: Why it failed.
    """

    workload: str
    contender: str
    round: int
    figures: Figures | None = None
    error: str = ""
