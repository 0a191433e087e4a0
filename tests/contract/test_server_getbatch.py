"""GetBatch: many objects in one answer."""

from __future__ import annotations

import io
import random
import tarfile
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.enums import Colocation
from aistore.sdk.errors import AISError, ErrBckNotFound, ErrObjNotFound

from tests.support.archives import pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.conftest import Server

FORMATS = [".tar", ".tgz", ".tar.gz", ".zip"]
CONTENTS = {f"dir/o-{i:02d}.bin": bytes([i]) * (i * 1000) for i in range(1, 8)} | {"üñí 🙂": b"name", "empty": b""}
SHARD = [("a/k1.jpg", b"picture"), ("a/k1.cls", b"7")]


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    for name, content in CONTENTS.items():
        bucket.object(name).get_writer().put_content(content)
    bucket.object("shard.tar").get_writer().put_content(pack(".tar", SHARD))
    return bucket


def ask(ais: Server, body: Any, bucket: str = "") -> requests.Response:
    url = f"{ais.endpoint}/v1/ml/moss{f'/{bucket}' if bucket else ''}"
    return requests.get(url, params={"provider": "ais"}, json=body, timeout=60)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_answers_come_in_the_order_of_the_request_repeated_ones_repeated(
    ais: Server, filled: Bucket, form: str, streamed: bool
) -> None:
    names = random.Random(form).choices(sorted(CONTENTS), k=25)
    batch = ais.client().batch(names, filled, output_format=form, streaming_get=streamed)
    answers = list(batch.get())
    assert [data for _, data in answers] == [CONTENTS[name] for name in names]
    assert [out.size for out, _ in answers] == [len(CONTENTS[name]) for name in names]
    assert not any(out.err_msg for out, _ in answers)


@pytest.mark.parametrize("only_name", [True, False])
def test_names_in_the_archive(ais: Server, filled: Bucket, only_name: bool) -> None:
    batch = ais.client().batch(bucket=filled, only_obj_name=only_name)
    batch.add("empty").add("shard.tar", archpath="a/k1.cls").add("shard.tar", archpath="/a/k1.cls").add("üñí 🙂")
    with batch.get(raw=True) as response, tarfile.open(fileobj=io.BytesIO(response.read())) as tar:
        names = tar.getnames()
    prefix = "" if only_name else f"{filled.name}/"
    wanted = ["empty", "shard.tar/a/k1.cls", "shard.tar/a/k1.cls", "üñí 🙂"]
    assert [name.replace("tar//", "tar/") for name in names] == [prefix + name for name in wanted]


@pytest.mark.parametrize("streamed", [True, False])
def test_what_is_missing_is_told_in_its_place(ais: Server, filled: Bucket, streamed: bool) -> None:
    batch = ais.client().batch(bucket=filled, streaming_get=streamed, cont_on_err=True)
    batch.add("dir/o-01.bin").add("gone").add("empty").add("shard.tar", archpath="none").add("none.tar", archpath="a")
    answers = list(batch.add("dir/o-02.bin").get())
    assert [bool(out.err_msg) for out, _ in answers] == [False, True, False, True, True, False]
    assert [data for _, data in answers] == [CONTENTS["dir/o-01.bin"], b"", b"", b"", b"", CONTENTS["dir/o-02.bin"]]


def test_the_placeholder_s_name(ais: Server, filled: Bucket) -> None:
    response = ask(ais, {"in": [{"objname": "gone"}, {"objname": "empty"}], "coer": True, "strm": True}, filled.name)
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        assert tar.getnames() == [f"__404__/{filled.name}/gone", f"{filled.name}/empty"]
    assert response.headers["Content-Type"] == "application/x-tar"


@pytest.mark.parametrize("streamed", [True, False])
def test_archived_files_and_ranges(ais: Server, filled: Bucket, streamed: bool) -> None:
    batch = ais.client().batch(bucket=filled, streaming_get=streamed)
    batch.add("shard.tar", archpath="a/k1.jpg").add("dir/o-03.bin", start=2990, length=10)
    batch.add("dir/o-03.bin", start=0, length=-1).add("shard.tar", archpath="a/k1.jpg", start=2, length=3)
    batch.add("shard.tar", archpath="a/k1.jpg", start=3, length=-1)
    wanted = [b"picture", CONTENTS["dir/o-03.bin"][:10], CONTENTS["dir/o-03.bin"], b"ctu", b"ture"]
    assert [(out.size, data) for out, data in batch.get()] == [(len(data), data) for data in wanted]


@pytest.mark.parametrize("streamed", [True, False])
def test_what_the_client_calls_an_entry_comes_back_with_it(ais: Server, filled: Bucket, streamed: bool) -> None:
    batch = ais.client().batch(bucket=filled, streaming_get=streamed)
    batch.add("empty", opaque=b"\x00\xff one").add("gone", opaque=b"two").add("empty")
    opaque = [out.opaque for out, _ in batch.get()]
    # Without metadata the SDK hands out its own request, still in base64.
    assert opaque[2] is None
    if not streamed:
        assert opaque[:2] == [b"\x00\xff one", b"two"]


@pytest.fixture
def other(ais: Server) -> Iterator[Bucket]:
    made = ais.client().bucket(f"test-{uuid.uuid4().hex[:12]}").create()
    made.object("empty").get_writer().put_content(b"not so")
    yield made
    made.delete(missing_ok=True)


def test_entries_of_several_buckets(ais: Server, filled: Bucket, other: Bucket) -> None:
    batch = ais.client().batch(bucket=filled, colocation=Colocation.TARGET_AWARE)
    batch.add("empty").add("empty", bck=other.name, provider="ais").add(other.object("empty")).add("dir/o-01.bin")
    assert [data for _, data in batch.get()] == [b"", b"not so", b"not so", CONTENTS["dir/o-01.bin"]]
    without_default = ais.client().batch(other.object("empty"))
    assert [data for _, data in without_default.get()] == [b"not so"]


@pytest.mark.parametrize(
    "body",
    [
        {"in": []},
        {},
        [],
        {"in": [{"objname": "empty", "start": 1}]},
        {"in": [{"objname": "empty", "start": -1, "length": 1}]},
        {"in": [{"objname": "empty", "start": 0, "length": -2}]},
        {"in": [{"objname": "empty"}, {"objname": "a/../b"}]},
        {"in": [{"objname": "empty/"}]},
        {"in": [{"objname": "shard.tar", "archpath": "./x"}]},
        {"in": [{"objname": "shard.tar", "archpath": "x/"}]},
        {"in": [{"objname": "empty", "opaque": "%%"}]},
        {"in": [{"objname": "empty"}], "mime": ".rar"},
    ],
)
def test_requests_that_make_no_sense_are_refused_as_a_whole(ais: Server, filled: Bucket, body: Any) -> None:
    assert ask(ais, body, filled.name).status_code == 400


def test_an_entry_needs_a_bucket_that_exists(ais: Server, filled: Bucket) -> None:
    assert ask(ais, {"in": [{"objname": "empty"}]}).status_code == 400
    with pytest.raises(ErrBckNotFound):
        list(ais.client().batch(bucket=filled).add("x", bck=f"{filled.name}-none", provider="ais").get())


def test_other_verbs_are_refused(ais: Server, filled: Bucket) -> None:
    url = f"{ais.endpoint}/v1/ml/moss/{filled.name}"
    assert requests.post(url, json={"in": [{"objname": "empty"}]}, timeout=20).status_code == 405


def test_many_entries(ais: Server, filled: Bucket) -> None:
    names = random.Random(7).choices(sorted(CONTENTS), k=3000)
    batch = ais.client().batch(names, filled)
    assert [data for _, data in batch.get()] == [CONTENTS[name] for name in names]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_strict_request_for_something_missing_is_not_found(ais: Server, filled: Bucket, streamed: bool) -> None:
    if not ais.embedded:
        pytest.skip("AIStore answers with less than was asked for, or with a placeholder, as it happens")
    for name, archpath in (("gone", None), ("shard.tar", "none")):
        batch = ais.client().batch(bucket=filled, cont_on_err=False, streaming_get=streamed)
        with pytest.raises(ErrObjNotFound):
            batch.add("dir/o-01.bin").add(name, archpath=archpath).get()


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize("section", [(1000, 1), (0, 1001), (2000, -1)])
def test_a_range_beyond_the_end_is_refused(
    ais: Server, filled: Bucket, streamed: bool, lenient: bool, section: tuple[int, int]
) -> None:
    if not ais.embedded:
        pytest.skip("AIStore answers with less than was asked for, or with the whole object, as it happens")
    batch = ais.client().batch(bucket=filled, cont_on_err=lenient, streaming_get=streamed)
    with pytest.raises(AISError) as caught:
        batch.add("empty").add("dir/o-01.bin", start=section[0], length=section[1]).get()
    assert caught.value.status_code == 416


def test_more_missing_entries_than_a_cluster_takes(ais: Server, filled: Bucket) -> None:
    if not ais.embedded:
        pytest.skip("AIStore ends the answer after 8 missing entries")
    names = [f"gone-{i}" for i in range(50)]
    answers = list(ais.client().batch([*names, "dir/o-01.bin"], filled).get())
    assert [bool(out.err_msg) for out, _ in answers] == [True] * 50 + [False]


def test_a_batch_is_a_job_that_can_be_waited_for(ais: Server, filled: Bucket) -> None:
    sent = list(ais.client().batch([filled.object(entry.name) for entry in filled.list_all_objects()]).get())
    client = ais.client()
    every = [snap for snaps in client.job(job_kind="get-batch").get_details().root.values() for snap in snaps]
    last = max((snap for snap in every if not snap.aborted), key=lambda snap: snap.start_time)
    assert last.id.startswith("gbt-")
    if ais.embedded:  # a cluster counts a while later, and calls the job idle after a minute
        assert sum(snap.stats.objects for snap in every if snap.id == last.id) == len(sent)
        assert client.job(job_id=last.id, job_kind="get-batch").wait(timeout=60, verbose=False).success
