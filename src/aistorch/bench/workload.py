"""What is measured: buckets, workloads and goals, as `workloads.json` has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, Literal

from aistorch.errors import InvalidArgumentError

Metric = Literal["samples_per_second", "megabytes_per_second", "cpu_us_per_sample", "seconds"]
PREFIX = "aistorch-bench-"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A bucket to read from. Its name tells its content, so one that is there already can be used again.

    Attributes:
        size: Bytes of each object or, in shards, of each file.
        samples: How many there are.
        shards: How many TAR shards hold them, in each row; 0 where each sample is an object.
        files: How many files a sample has in each row.
        rows: Each has shards of its own, and in them files of every sample.
        indexed: Whether its index lies beside each shard.
    """

    size: int
    samples: int
    shards: int = 0
    files: int = 1
    rows: int = 1
    indexed: bool = False

    @property
    def name(self) -> str:
        """The bucket's name on the server."""
        if not self.shards:
            return f"{PREFIX}{self.samples}x{self.size}"
        indexed = "-indexed" if self.indexed else ""
        return f"{PREFIX}{self.samples}x{self.files}x{self.size}-in-{self.rows}x{self.shards}-shards{indexed}"

    @property
    def objects(self) -> int:
        """How many objects there are: shards and their indices, or samples."""
        return self.rows * self.shards * (1 + self.indexed) or self.samples

    @property
    def bytes(self) -> int:
        """Of all samples together; what else there is in shards does not count."""
        return self.samples * self.rows * self.files * self.size


@dataclass(frozen=True, slots=True)
class Goal:
    """What aistorch must reach: a figure of its own, or its ratio to another contender's.

    Attributes:
        metric: The figure.
        against: The contender that it is divided by; empty for the figure itself.
        at_least: The least that reaches the goal, where more is better.
        at_most: The most that reaches the goal, where less is better.
    """

    metric: Metric
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def reached_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, slots=True)
class Workload:
    """A piece of work that several contenders do in turn.

    Attributes:
        name: Short, for the command line.
        title: For tables and charts.
        task: `iterate` reads all objects, `map` all in random order through a DataLoader in batches, `first` one;
            `shards` reads samples out of shards, `rows` out of several rows of shards side by side.
        bucket: What is read.
        contenders: Who does it, in this order: `plugin` (the SDK's own), `webdataset`, `aistorch`, and as measures
            `wrk` (GETs to one target, without a listing), `plain` (shards read as any object is, no samples taken out),
            `floor` (the least that has to be done for the samples of `shards`, without a listing or headers),
            `two-pages` (two pages of the listing, raw) and `alone` (computes, reads nothing).
        workers: Of the DataLoader, where the task is `map` or `shards`.
        latency_ms: Milliseconds added to each round trip.
        compute: What the consumer does for 1 ms with each sample: nothing, `python` holding the GIL, or `native`
            without it.
        goals: What aistorch must reach on a real cluster.
    """

    name: str
    title: str
    task: Literal["iterate", "map", "first", "shards", "rows"]
    bucket: BucketSpec
    contenders: tuple[str, ...]
    workers: int = 0
    latency_ms: float = 0.0
    compute: Literal["", "python", "native"] = ""
    goals: tuple[Goal, ...] = field(default=())


def load_workloads(quick: bool = False) -> list[Workload]:
    """All workloads; quick ones have small buckets, and their figures say little."""
    config = json.loads(files(__package__).joinpath("workloads.json").read_text("utf-8"))
    return parse(config, quick)


def parse(config: dict[str, Any], quick: bool = False) -> list[Workload]:
    """Workloads from what `workloads.json` holds."""
    buckets = {key: _bucket(dict(each), quick) for key, each in config["buckets"].items()}
    return [_workload(name, dict(each), buckets) for name, each in config["workloads"].items()]


def select(workloads: Sequence[Workload], patterns: Sequence[str]) -> list[Workload]:
    """Those whose name matches one of the patterns (`iterate-*`), in their order; all where there are no patterns.

    Raises:
        InvalidArgumentError: A pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(each.name, pattern) for each in workloads):
            names = ", ".join(each.name for each in workloads)
            raise InvalidArgumentError(f"there is no workload {pattern!r}; there are {names}")
    return [each for each in workloads if not patterns or any(fnmatchcase(each.name, it) for it in patterns)]


def _bucket(settings: dict[str, Any], quick: bool) -> BucketSpec:
    few = settings.pop("quick")
    return BucketSpec(**{**settings, "samples": few} if quick else settings)


def _workload(name: str, settings: dict[str, Any], buckets: dict[str, BucketSpec]) -> Workload:
    bucket = buckets[settings.pop("bucket")]
    return Workload(
        name=name,
        title=settings.pop("title").format(samples=bucket.samples),
        bucket=bucket,
        contenders=tuple(settings.pop("contenders")),
        goals=tuple(Goal(**goal) for goal in settings.pop("goals", ())),
        **settings,
    )
