"""ETLs: code that makes something else of objects while they are read. Their stages and texts are AIStore's.

AIStore runs them in Kubernetes pods, one beside each target; here each has a few processes, for all targets.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aistorch.server.bucket import Bucket
from aistorch.server.etl_code import EtlCode
from aistorch.server.etl_process import CodeError, Transformers
from aistorch.server.http_errors import BadRequest, HTTPError

INITIALIZING, RUNNING, ABORTED = "Initializing", "Running", "Aborted"
INIT_SECONDS = 300.0  # the SDK's default, as is the next
OBJECT_SECONDS = 45.0
_KEPT_ERRORS = 100


class EtlMissing(HTTPError):
    """There is no ETL of that name (404)."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"etl job {name} does not exist", "ErrNotFound")


class EtlExists(HTTPError):
    """There is one already (409)."""

    def __init__(self, name: str) -> None:
        super().__init__(409, f"etl job {name} already exists")


class EtlNotRunning(HTTPError):
    """A read wants an ETL that does not run, or not yet (404): AIStore's targets do not tell the one from the other."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"{name} does not exist - try starting new ETL, or start this one if it is stopped")


class TransformFailed(HTTPError):
    """The ETL's code failed on an object (500)."""

    def __init__(self, error: CodeError) -> None:
        super().__init__(500, f"ETL error: {error}")


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that could not be transformed.

    Attributes:
        name: The object, `provider://bucket/name`.
        message: Why.
        trace: The code's traceback; empty where there is none.
        status: What was answered.
    """

    name: str
    message: str
    trace: str
    status: int


@dataclass
class Etl:
    """One ETL.

    Attributes:
        name: Its name.
        code: What it runs.
        message: The request that made it, as details show it.
        init_seconds: In which the code must be loaded.
        object_seconds: In which an object must be transformed.
        stage: `INITIALIZING`, `RUNNING` or `ABORTED`.
        job_id: Of its present or last run.
        objects: Transformed in that run.
        bytes_in: Of those, as they were.
        bytes_out: As they became.
        failures: The latest ones of that run.
    """

    name: str
    code: EtlCode
    message: dict[str, Any]
    init_seconds: float = INIT_SECONDS
    object_seconds: float = OBJECT_SECONDS
    stage: str = ABORTED
    job_id: str = ""
    objects: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=_KEPT_ERRORS))
    _transformers: Transformers | None = None

    async def start(self) -> None:
        """Loads the code; returns when objects can be transformed.

        Raises:
            BadRequest: It runs or starts already, or the code cannot be loaded.
        """
        if self.stage != ABORTED:
            raise BadRequest(f"can't start ETL[{self.name}] during {self.stage} stage")
        self.stage, self.job_id = INITIALIZING, f"etl-{uuid.uuid4().hex[:9]}"
        self.objects = self.bytes_in = self.bytes_out = 0
        self.failures.clear()
        started = self._transformers = Transformers(self.code)
        try:
            await started.start(self.init_seconds)
        except CodeError as error:
            if self._transformers is started:  # not if it was stopped and started once more
                self.stage = ABORTED
            raise BadRequest(f"ETL[{self.name}] cannot start: {error}") from None
        self.stage = RUNNING

    async def stop(self) -> None:
        """Ends its processes; nothing happens if it has none."""
        self.stage = ABORTED
        if self._transformers is not None:
            await self._transformers.stop()

    async def transform(self, read: Callable[[], bytes], path: str, arguments: str, shown: str) -> bytes:
        """What it makes of an object.

        Args:
            read: Reads the object.
            path: `bucket/name`, for the code.
            arguments: Likewise; what the client gave.
            shown: The object as errors name it.

        Raises:
            EtlNotRunning: It does not run.
            TransformFailed: The code failed.
        """
        if self._transformers is None or self.stage != RUNNING:
            raise EtlNotRunning(self.name)
        try:
            size, made = await self._transformers.transform(read, path, arguments, self.object_seconds)
        except CodeError as error:
            failed = TransformFailed(error)
            self.failures.append(Failure(shown, failed.message, error.trace, failed.status))
            raise failed from None
        self.objects, self.bytes_in, self.bytes_out = self.objects + 1, self.bytes_in + size, self.bytes_out + len(made)
        return made


class Etls:
    """All ETLs of a server, in the order of their making. Used in the server's event loop only."""

    def __init__(self) -> None:
        self._etls: dict[str, Etl] = {}

    def __iter__(self) -> Iterator[Etl]:
        return iter(self._etls.values())

    def get(self, name: str) -> Etl:
        """The ETL.

        Raises:
            EtlMissing: There is none of that name.
        """
        if name not in self._etls:
            raise EtlMissing(name)
        return self._etls[name]

    async def add(self, etl: Etl) -> None:
        """Adds an ETL and starts it; it stays, stopped, if it cannot start.

        Raises:
            EtlExists: There is one of that name.
            BadRequest: The code cannot be loaded.
        """
        if etl.name in self._etls:
            raise EtlExists(etl.name)
        self._etls[etl.name] = etl
        await etl.start()

    async def add_codes(self, codes: Mapping[str, EtlCode]) -> None:
        """Adds what the server's owner gave, by name, and starts it; `add` tells the rest."""
        made = []
        for name, code in codes.items():
            runtime = {"image": "aistorch", "command": [code.label]}
            made.append(Etl(name, code, {"name": name, "communication": "hpush://", "runtime": runtime}))
        await asyncio.gather(*map(self.add, made))

    async def delete(self, name: str) -> None:
        """Stops an ETL and forgets it.

        Raises:
            EtlMissing: There is none of that name.
        """
        etl = self.get(name)
        del self._etls[name]
        await etl.stop()

    async def close(self) -> None:
        """Stops all of them."""
        await asyncio.gather(*(etl.stop() for etl in self))

    def running(self, names: Sequence[str]) -> list[Etl]:
        """The ETLs that an object goes through.

        Raises:
            EtlNotRunning: One of them does not exist, or does not run.
        """
        found = [self._etls.get(name) for name in names]
        for name, etl in zip(names, found, strict=True):
            if etl is None or etl.stage != RUNNING:
                raise EtlNotRunning(name)
        return [etl for etl in found if etl is not None]


async def transformed(etls: Sequence[Etl], bucket: Bucket, name: str, arguments: str = "") -> bytes:
    """What ETLs make of an object, one of what the one before it made.

    Raises:
        ObjectMissing: There is no such object.
        EtlNotRunning: One of them has been stopped.
        TransformFailed: The code of one failed.
    """
    path, shown, read = f"{bucket.key.name}/{name}", bucket.key.cname(name), partial(_read, bucket, name)
    for etl in etls:
        made = await etl.transform(read, path, arguments, shown)
        read = partial(bytes, made)
    return read()


def _read(bucket: Bucket, name: str) -> bytes:
    meta, file = bucket.open_data(name)
    bucket.uncached.discard(name)  # reading brings it into the cluster
    with file:
        return file.read(meta.size)
