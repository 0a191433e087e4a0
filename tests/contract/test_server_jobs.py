"""Jobs: what is done to many objects at once, and what can be asked about it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError, ErrBckNotFound, JobInfoNotFound

from tests.support.archives import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aistore.sdk.wait_result import WaitResult

    from tests.contract.conftest import Server

NAMES = [f"o-{i:02d}.txt" for i in range(6)]


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    for name in NAMES:
        bucket.object(name).get_writer().put_content(name.encode())
    return bucket


@pytest.fixture
def target(ais: Server) -> Iterator[Bucket]:
    """A bucket that does not exist yet."""
    bucket = ais.client().bucket(f"test-{uuid.uuid4().hex[:12]}")
    yield bucket
    bucket.delete(missing_ok=True)


def wait(ais: Server, job: str | list[str]) -> WaitResult:
    job_id = job if isinstance(job, str) else job[0]
    result: WaitResult = ais.client().job(job_id).wait(timeout=60, verbose=False)
    return result


def names(bucket: Bucket) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects()]


def ask(ais: Server, verb: str, path: str, action: str, value: Any = None, **query: str) -> requests.Response:
    message = {"action": action, "name": "", "value": value}
    url = f"{ais.endpoint}/v1/{path}"
    return requests.request(verb, url, params={"provider": "ais"} | query, json=message, timeout=30)


def test_a_list_of_objects_is_deleted(ais: Server, filled: Bucket) -> None:
    result = wait(ais, filled.objects(obj_names=[NAMES[0], NAMES[3]]).delete())
    assert (result.success, result.error) == (True, "")
    assert names(filled) == [NAMES[1], NAMES[2], NAMES[4], NAMES[5]]


def test_what_is_listed_and_does_not_exist_is_an_error_that_stops_nothing(ais: Server, filled: Bucket) -> None:
    result = wait(ais, filled.objects(obj_names=["gone", NAMES[0]]).delete())
    assert not result.success
    assert f"ais://{filled.name}/gone does not exist" in (result.error or "")
    assert names(filled) == NAMES[1:]


@pytest.mark.parametrize(
    ("template", "left"),
    [
        ("o-{01..05..2}.txt", [NAMES[0], NAMES[2], NAMES[4]]),
        ("o-{00..99}.txt", []),
        ("o-{0..1}{0..2}.txt", NAMES[3:]),
        ("o-{0..9}.txt", NAMES),
        ("o-0", []),
        ("x", NAMES),
    ],
)
def test_a_template_says_which(ais: Server, filled: Bucket, template: str, left: list[str]) -> None:
    assert wait(ais, filled.objects(obj_template=template).delete()).success
    assert names(filled) == left


@pytest.mark.parametrize("template", ["o-{a..b}", "o-{3..1}", "o-{0..3..0}", "o-{0..99999999}"])
def test_a_template_that_is_none_is_refused(ais: Server, filled: Bucket, template: str) -> None:
    if template == "o-{0..99999999}" and not ais.embedded:
        pytest.skip("AIStore starts a job that tries them all")
    response = ask(ais, "DELETE", f"buckets/{filled.name}", "delete-listrange", {"template": template})
    assert response.status_code == 400
    assert names(filled) == NAMES


@pytest.mark.parametrize("value", [None, {}, {"objnames": []}])
def test_selecting_nothing_is_not_selecting_everything(ais: Server, filled: Bucket, value: Any) -> None:
    if not ais.embedded:
        pytest.skip("AIStore takes it for the whole bucket")
    assert ask(ais, "DELETE", f"buckets/{filled.name}", "delete-listrange", value).status_code == 400
    assert names(filled) == NAMES


def test_objects_are_copied_to_a_bucket_that_is_made_for_them(ais: Server, filled: Bucket, target: Bucket) -> None:
    assert wait(ais, filled.objects(obj_template="o-{00..01}.txt").copy(target, prepend="p/")).success
    assert names(target) == ["p/o-00.txt", "p/o-01.txt"]
    assert target.object("p/o-01.txt").get_reader().read_all() == b"o-01.txt"
    assert names(filled) == NAMES


@pytest.mark.parametrize("extension", [".tar", ".tgz", ".zip"])
def test_objects_become_an_archive(ais: Server, filled: Bucket, extension: str) -> None:
    jobs = filled.objects(obj_names=[NAMES[2], NAMES[0]]).archive(f"a/b{extension}")
    assert wait(ais, jobs).success
    data = filled.object(f"a/b{extension}").get_reader().read_all()
    assert isinstance(data, bytes)
    # A cluster's targets add what they have in whatever order.
    assert sorted(unpack(extension, data)) == [(NAMES[0], b"o-00.txt"), (NAMES[2], b"o-02.txt")]


def test_an_archive_in_another_bucket_may_name_the_source(ais: Server, filled: Bucket, target: Bucket) -> None:
    target.create()
    group = filled.objects(obj_template="o-{00..01}.txt")
    assert wait(ais, group.archive("a.tar", to_bck=target, include_source_name=True)).success
    listed = [entry.name for entry in target.list_archive("a.tar")]
    assert listed == [f"a.tar/{filled.name}/{name}" for name in NAMES[:2]]
    assert "a.tar" not in names(filled)


@pytest.mark.parametrize("extension", [".tar", ".zip"])
def test_an_archive_is_appended_to(ais: Server, filled: Bucket, extension: str) -> None:
    archive = f"a{extension}"
    assert wait(ais, filled.objects(obj_names=[NAMES[0]]).archive(archive, allow_append=True)).success
    assert wait(ais, filled.objects(obj_names=[NAMES[1]]).archive(archive, allow_append=True)).success
    assert [entry.name for entry in filled.list_archive(archive)] == [f"{archive}/{name}" for name in NAMES[:2]]


@pytest.mark.parametrize(("name", "mime"), [("a.bin", ""), ("a.bin", ".tar"), ("a.tgz", ".zip"), ("a.tar", ".rar")])
def test_archives_need_a_known_extension(filled: Bucket, name: str, mime: str) -> None:
    with pytest.raises(AISError) as caught:
        filled.objects(obj_names=[NAMES[0]]).archive(name, mime=mime)
    assert caught.value.status_code == 400


def test_an_archive_s_bucket_must_exist(filled: Bucket, target: Bucket) -> None:
    with pytest.raises(ErrBckNotFound):
        filled.objects(obj_names=[NAMES[0]]).archive("a.tar", to_bck=target)


@pytest.mark.parametrize("lenient", [True, False])
def test_an_archive_of_what_does_not_exist(ais: Server, filled: Bucket, lenient: bool) -> None:
    if not ais.embedded:
        pytest.skip("AIStore aborts a lenient job, and writes the archive in a strict one")
    result = wait(ais, filled.objects(obj_names=[NAMES[0], "gone"]).archive("a.tar", continue_on_err=lenient))
    assert result.success is lenient
    assert ("a.tar" in names(filled)) is lenient
    if lenient:
        assert filled.list_archive("a.tar")[0].name == "a.tar/o-00.txt"
    else:
        assert "gone does not exist" in (result.error or "")


def test_a_bucket_is_copied(ais: Server, filled: Bucket, target: Bucket) -> None:
    filled.object("other.txt").get_writer().put_content(b"other")
    result = wait(ais, filled.copy(target, prefix_filter="o-", prepend="p-", ext={"txt": "bin"}))
    assert result.success
    assert names(target) == [f"p-o-{i:02d}.bin" for i in range(6)]
    assert target.object("p-o-03.bin").get_reader().read_all() == b"o-03.txt"


def test_a_dry_run_copies_nothing(ais: Server, filled: Bucket, target: Bucket) -> None:
    target.create()
    assert wait(ais, filled.copy(target, dry_run=True)).success
    assert names(target) == []


def test_buckets_that_cannot_be_copied(ais: Server, filled: Bucket) -> None:
    path = f"buckets/{filled.name}"
    assert ask(ais, "POST", path, "copy-bck", {}, bck_to=f"ais/@#/{filled.name}/").status_code == 400
    assert ask(ais, "POST", path, "copy-bck", {}).status_code == 400
    assert ask(ais, "POST", path, "copy-bck", {}, bck_to="nonsense").status_code == 400
    assert ask(ais, "POST", path + "-none", "copy-bck", {}, bck_to="ais/@#/x/").status_code == 404


def test_a_bucket_is_renamed(ais: Server, filled: Bucket, target: Bucket) -> None:
    old = filled.name  # the SDK gives `filled` the new one
    assert wait(ais, filled.rename(target.name)).success
    assert names(target) == NAMES
    assert old not in [bucket.name for bucket in ais.client().cluster().list_buckets()]


@pytest.mark.parametrize("verb_action", [("DELETE", "evict-listrange"), ("POST", "prefetch-listrange")])
def test_only_buckets_of_other_providers_have_something_to_evict(
    ais: Server, filled: Bucket, verb_action: tuple[str, str]
) -> None:
    verb, action = verb_action
    response = ask(ais, verb, f"buckets/{filled.name}", action, {"objnames": [NAMES[0]]})
    assert (response.status_code, response.json()["tcode"]) == (400, "ErrNotRemoteBck")


def test_jobs_can_be_asked_about(ais: Server, filled: Bucket) -> None:
    cluster = ais.client().cluster()
    job = ais.client().job(filled.objects(obj_names=[NAMES[0], NAMES[1]]).delete(), "delete-listrange")
    assert job.wait(timeout=60, verbose=False).success

    status = job.status()
    assert (status.uuid, status.err, status.aborted) == (job.job_id, "", False)
    assert status.end_time > 0
    snapshots = job.get_details().list_snapshots()
    assert len(snapshots) == ais.targets
    assert {(snap.kind, snap.id, snap.aborted) for snap in snapshots} == {("delete-listrange", job.job_id, False)}
    assert all(snap.bucket is not None and snap.bucket.name == filled.name for snap in snapshots)
    assert sum(snap.stats.objects for snap in snapshots if snap.stats) == 2
    assert sum(snap.stats.bytes for snap in snapshots if snap.stats) == 2 * len(NAMES[0])
    assert job.get_total_time() is not None
    assert job.job_id in {each.uuid for each in cluster.list_jobs_status(job_kind="delete-listrange")}
    assert f"delete-listrange[{job.job_id}]" not in cluster.list_running_jobs()


def test_unknown_jobs(ais: Server) -> None:
    job = ais.client().job("abcdefgh1")
    for call in (job.status, job.get_details):
        with pytest.raises(AISError) as caught:
            call()
        assert caught.value.status_code == 404
    with pytest.raises((AISError, JobInfoNotFound)):
        job.wait(timeout=5, verbose=False)
    job.abort()


def test_jobs_are_started_by_their_kind(ais: Server) -> None:
    job_id = ais.client().job(job_kind="lru").start()
    assert ais.client().job(job_id, "lru").wait(timeout=60, verbose=False).success
    for kind in ("nonsense", "copy-bck", ""):
        assert ask(ais, "PUT", "cluster", "start", {"ID": "", "Kind": kind}).status_code == 400
    assert ask(ais, "PUT", "cluster", "stop", {"ID": "", "Kind": ""}).status_code == 400
