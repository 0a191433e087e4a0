"""Jobs: work that goes on behind the answer to a request, and what can be asked about it.

AIStore calls them xactions. They run in a few threads, one after another where there are more; those that are done are
remembered until the server stops, the oldest forgotten where there are very many.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from aistorch.server.http_errors import HTTPError
from aistorch.server.names import BucketKey

_log = logging.getLogger(__name__)

_THREADS = 2
_REMEMBERED = 10_000
_STOPPED = "aborted by the user"


class JobMissing(HTTPError):
    """No job has that id (404)."""

    def __init__(self, job_id: str, kind: str = "") -> None:
        super().__init__(404, f"x-{kind}[{job_id}] does not exist", "ErrNotFound")


class JobAborted(Exception):
    """Somebody stopped the job; its work ends where it notices."""


@dataclass
class Job:
    """One job.

    Attributes:
        kind: What it does, as the action that started it: `copy-bck`, `archive` ...
        bucket: What it works on; None for the cluster.
        target: The bucket it writes to; None if there is none.
        id: Its name.
        started: Nanoseconds since the epoch.
        ended: Likewise; 0 while it runs.
        error: What went wrong, the first thing and how many more; empty if nothing did.
        abort_error: Why it ended early; empty if it did not.
        objects: Handled so far.
        size: Of those, in bytes.
    """

    kind: str
    bucket: BucketKey | None = None
    target: BucketKey | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:9])
    started: int = field(default_factory=time.time_ns)
    ended: int = 0
    error: str = ""
    abort_error: str = ""
    objects: int = 0
    size: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _errors: int = 0

    def abort(self) -> None:
        """Lets the work end at its next `check()`; nothing happens if it has ended."""
        if not self.ended:
            self._stop.set()

    def check(self) -> None:
        """To be called by the work between steps.

        Raises:
            JobAborted: If somebody stopped the job.
        """
        if self._stop.is_set():
            raise JobAborted

    def count(self, size: int) -> None:
        """Notes one more object, of `size` bytes."""
        self.objects += 1
        self.size += size

    def fail(self, error: HTTPError | OSError) -> None:
        """Notes something that went wrong."""
        self._errors += 1
        if self._errors == 1:
            self._first_error = str(error)
        more = f" (and {self._errors - 1} more)" if self._errors > 1 else ""
        self.error = self._first_error + more


Work = Callable[[Job], None]


class Jobs:
    """All jobs of a server. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="aistorch-job")

    def start(
        self, kind: str, bucket: BucketKey | None, work: Work, target: BucketKey | None = None, prefix: str = ""
    ) -> str:
        """Runs `work` behind the caller's back.

        Args:
            kind: What it does.
            bucket: What it works on.
            work: Is given the job; counts objects in it, and calls `Job.check` between them.
            target: The bucket it writes to.
            prefix: Of the job's id.

        Returns:
            The job's id.
        """
        job = Job(kind, bucket, target)
        job.id = prefix + job.id
        self._remember(job)
        self._pool.submit(_run, job, work)
        return job.id

    def finished(self, kind: str, bucket: BucketKey | None = None) -> str:
        """Remembers something that is done already; returns its id."""
        job = Job(kind, bucket)
        job.ended = job.started
        self._remember(job)
        return job.id

    @contextlib.contextmanager
    def during(self, kind: str, prefix: str = "") -> Iterator[Job]:
        """A job that runs as long as a `with` block, for work that a request waits for; ends as the block does.

        Raises:
            HTTPError: 500 if the job was stopped, which the work noticed.
        """
        job = Job(kind)
        job.id = prefix + job.id
        self._remember(job)
        try:
            yield job
        except JobAborted:
            job.abort_error = _STOPPED
            raise HTTPError(500, f"x-{kind}[{job.id}]: {_STOPPED}") from None
        except BaseException as error:
            job.abort_error = str(error) or type(error).__name__
            raise
        finally:
            job.error = job.error or job.abort_error
            job.ended = time.time_ns()

    def get(self, job_id: str, kind: str = "") -> Job:
        """The job; without an id, the latest of that kind.

        Raises:
            JobMissing: If there is none.
        """
        for job in self.matching(job_id, kind):
            return job
        raise JobMissing(job_id, kind)

    def matching(self, job_id: str = "", kind: str = "") -> Iterator[Job]:
        """The jobs of that id or kind, of any where neither is given; latest first."""
        for job in reversed(list(self._jobs.values())):
            if job_id in ("", job.id) and kind in ("", job.kind):
                yield job

    def close(self) -> None:
        """Stops all jobs and waits until they have noticed."""
        for job in self.matching():
            job.abort()
        self._pool.shutdown(cancel_futures=True)

    def _remember(self, job: Job) -> None:
        self._jobs[job.id] = job
        if len(self._jobs) > _REMEMBERED:
            oldest = next((j for j in list(self._jobs.values()) if j.ended), job)
            del self._jobs[oldest.id]


def _run(job: Job, work: Work) -> None:
    try:
        job.check()
        work(job)
    except JobAborted:
        job.abort_error = _STOPPED
    except (HTTPError, OSError) as error:
        job.abort_error = str(error)
    except Exception:
        _log.exception("job %s[%s] failed", job.kind, job.id)
        job.abort_error = "internal error of the embedded server"
    finally:
        job.error = job.error or job.abort_error
        job.ended = time.time_ns()
