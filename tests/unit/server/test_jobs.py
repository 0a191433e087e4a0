"""Jobs in their threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.jobs import Job, JobMissing, Jobs
from aistorch.server.names import BucketKey

BUCKET = BucketKey("ais", "b")


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()


def ended(jobs: Jobs, job_id: str) -> Job:
    job, deadline = jobs.get(job_id), time.monotonic() + 30
    while not job.ended:
        assert time.monotonic() < deadline, "the job does not end"
        time.sleep(0.001)
    return job


def test_a_job_counts_what_it_does(jobs: Jobs) -> None:
    def work(job: Job) -> None:
        for size in (3, 4):
            job.count(size)

    job = ended(jobs, jobs.start("copy", BUCKET, work, prefix="tco-"))
    assert (job.kind, job.objects, job.size, job.error, job.abort_error) == ("copy", 2, 7, "", "")
    assert job.id.startswith("tco-")
    assert job.ended >= job.started


def test_a_job_runs_behind_the_caller_s_back(jobs: Jobs) -> None:
    go = threading.Event()

    def work(job: Job) -> None:
        assert go.wait(30)

    job_id = jobs.start("slow", BUCKET, work)
    assert not jobs.get(job_id).ended
    go.set()
    assert not ended(jobs, job_id).error


def test_what_goes_wrong_is_told(jobs: Jobs) -> None:
    def refused(job: Job) -> None:
        raise BadRequest("not like this")

    def survived(job: Job) -> None:
        job.fail(BadRequest("first"))
        job.fail(BadRequest("second"))

    assert ended(jobs, jobs.start("k", BUCKET, refused)).abort_error == "not like this"
    job = ended(jobs, jobs.start("k", BUCKET, survived))
    assert (job.error, job.abort_error) == ("first (and 1 more)", "")


def test_a_bug_in_a_job_ends_that_job_only(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def work(job: Job) -> None:
        raise ZeroDivisionError

    assert "internal error" in ended(jobs, jobs.start("k", BUCKET, work)).error
    assert "ZeroDivisionError" in caplog.text
    assert not ended(jobs, jobs.start("k", BUCKET, lambda job: job.count(1))).error


def test_jobs_that_are_stopped_end_where_they_notice(jobs: Jobs) -> None:
    began = threading.Event()

    def work(job: Job) -> None:
        began.set()
        while True:
            job.check()
            time.sleep(0.001)

    job_id = jobs.start("endless", BUCKET, work)
    assert began.wait(30)
    jobs.get(job_id).abort()
    assert ended(jobs, job_id).abort_error == "aborted by the user"


def test_closing_stops_running_and_waiting_jobs() -> None:
    jobs = Jobs()

    def work(job: Job) -> None:
        while True:
            job.check()
            time.sleep(0.001)

    for _ in range(5):
        jobs.start("endless", BUCKET, work)
    jobs.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aistorch-job")]


def test_jobs_are_found_by_id_or_kind_the_latest_first(jobs: Jobs) -> None:
    first, second, third = (jobs.finished(kind, BUCKET) for kind in ("a", "b", "a"))
    assert [job.id for job in jobs.matching()] == [third, second, first]
    assert [job.id for job in jobs.matching(kind="a")] == [third, first]
    assert jobs.get("", "b").id == second
    with pytest.raises(JobMissing, match=r"x-b\[nope\] does not exist"):
        jobs.get("nope", "b")
    with pytest.raises(JobMissing):
        jobs.get(first, "b")


def test_very_many_jobs_are_not_all_remembered(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aistorch.server.jobs._REMEMBERED", 3)
    ids = [jobs.finished("k") for _ in range(10)]
    assert [job.id for job in jobs.matching()] == ids[:-4:-1]


def test_work_that_a_request_waits_for_is_a_job_while_it_lasts(jobs: Jobs) -> None:
    with jobs.during("get-batch", prefix="gbt-") as job:
        assert jobs.get(job.id) is job
        assert not job.ended
    assert (bool(job.ended), job.error) == (True, "")
    with pytest.raises(HTTPError, match="aborted by the user"), jobs.during("get-batch") as stopped:
        stop(stopped)
    assert (bool(stopped.ended), stopped.abort_error) == (True, "aborted by the user")
    with pytest.raises(KeyError), jobs.during("get-batch") as failed:
        raise KeyError("o")
    assert (bool(failed.ended), failed.abort_error) == (True, "'o'")


def stop(job: Job) -> None:
    job.abort()
    job.check()
