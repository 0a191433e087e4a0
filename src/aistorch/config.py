"""How objects are read: frozen settings, the same for every dataset, safe to share and to pickle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aistorch.errors import InvalidArgumentError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a read is tried again.

    Attributes:
        attempts: Requests made for one object before giving up, the first one included; with the pauses between them,
            30 last about as long as `patience`.
        backoff: Seconds waited before the second attempt; doubled for each one after it.
        backoff_max: Seconds, the most that is waited between two attempts.
        connect_timeout: Seconds for a connection to be accepted.
        read_timeout: Seconds without a byte arriving after which a request counts as lost.
        patience: Seconds from its first failure on in which an object is tried again, whatever fails. As long it is
            waited for where the target that it was listed on has left the cluster, or where it is missing while targets
            come and go; that is not counted in `attempts`. What arrives a megabyte and more at a time is not given up.
        min_rate: Bytes a second that a reply must bring in the mean once it has been due for `read_timeout`, or it
            counts as lost; 0 for no such limit.
    """

    attempts: int = 30
    backoff: float = 0.1
    backoff_max: float = 5.0
    connect_timeout: float = 3.0
    read_timeout: float = 20.0
    patience: float = 120.0
    min_rate: int = 1000

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidArgumentError(f"RetryPolicy.attempts is {self.attempts}; it must be 1 or more")
        for name in ("backoff", "backoff_max", "connect_timeout", "read_timeout", "patience", "min_rate"):
            value = getattr(self, name)
            if not value >= 0:
                raise InvalidArgumentError(f"RetryPolicy.{name} is {value}; it cannot be negative")

    def delay(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (the first is 1)."""
        doublings = min(attempt - 1, 60)  # 2**1100 is no float any more
        return float(min(self.backoff * 2**doublings, self.backoff_max))


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """How object bytes are read.

    Attributes:
        budget: Bytes that may be in flight or waiting to be consumed, for the whole process that runs the
            training loop; DataLoader workers share it evenly. One object larger than the budget still
            passes, alone.
        in_flight: Requests under way at once, per process; None lets it adapt to the latency it meets.
        mode: "get" reads each object by a request of its own; "batch" asks AIStore's GetBatch for groups of them, and
            reads what that leaves out by GETs; "auto" tries both on the first objects and takes the faster one.
        in_order: Whether iterable datasets yield objects in the order of their listing; where it does not matter,
            False hands out each one as soon as it is there.
        split_from: Bytes from which on an object is read in parallel ranges.
        direct: Read from the target that holds the object (one request instead of two). The proxy is asked
            whenever that fails, and always where the cluster forbids it.
        verify: Check each object against the checksum that AIStore stored with it.
        retry: When a read is tried again.
        limits: How much a file or a sample of a shard may take in memory.
    """

    budget: int = 64 * MIB
    in_flight: int | None = None
    mode: Literal["get", "batch", "auto"] = "get"
    in_order: bool = True
    split_from: int = 16 * MIB
    direct: bool = True
    verify: bool = True
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: ShardLimits = field(default_factory=lambda: ShardLimits())

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise InvalidArgumentError(f"ReadConfig.budget is {self.budget} bytes; it must be positive")
        if self.mode not in ("get", "batch", "auto"):
            raise InvalidArgumentError(f"ReadConfig.mode is {self.mode!r}; use 'get', 'batch' or 'auto'")
        if self.split_from < 1:
            raise InvalidArgumentError(f"ReadConfig.split_from is {self.split_from} bytes; it must be positive")
        if self.in_flight is not None and self.in_flight < 1:
            raise InvalidArgumentError(f"ReadConfig.in_flight is {self.in_flight}; use 1 or more, or None")


@dataclass(frozen=True, slots=True)
class ShuffleConfig:
    """How the samples of shards are shuffled, besides the order of the shards.

    Samples are gathered, and each gathering is handed out in a random order. One ends at whichever limit is reached
    first; both are part of the order, so a saved state wants the same ones.

    Attributes:
        buffer: Samples gathered.
        max_bytes: Bytes gathered, or one sample.
    """

    buffer: int = 1000
    max_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        for name in ("buffer", "max_bytes"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"ShuffleConfig.{name} is {getattr(self, name)}; it must be positive")


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """How much one file or one sample of a shard may take in memory.

    Shards that others made may be damaged or hostile: a few megabytes of gzip can announce a file of gigabytes. What is
    within these limits is read, however large; what exceeds one is a `ShardLimitError` that names shard and file.

    Attributes:
        max_member: Bytes of one file.
        max_sample: Bytes of all files of one sample that have come; with `group="shard"`, of all samples of a shard.
        max_ratio: Bytes of one file or sample of a compressed shard, or of one with holes, for each byte that the shard
            has in its bucket. 16 MiB are allowed in any case.
    """

    max_member: int = 4 << 30
    max_sample: int = 8 << 30
    max_ratio: float = 32.0

    def __post_init__(self) -> None:
        for name in ("max_member", "max_sample", "max_ratio"):
            if getattr(self, name) <= 0:
                raise InvalidArgumentError(f"ShardLimits.{name} is {getattr(self, name)}; it must be positive")
