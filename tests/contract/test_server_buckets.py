"""Buckets and the cluster, as the unmodified SDK and plain HTTP see them, on every server."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from aistore.sdk import Bucket
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, ErrObjNotFound
from aistore.sdk.namespace import Namespace

from tests.contract.conftest import Server


def new_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def put(bucket: Bucket, name: str, data: bytes) -> None:
    bucket.object(name).get_writer().put_content(data)


def act(ais: Server, verb: str, path: str, action: str, value: Any = None, **query: str) -> requests.Response:
    """Sends an action message, as the SDK does."""
    body = {"action": action, "name": "", "value": value}
    return requests.request(verb, f"{ais.endpoint}/v1/{path}", params={"provider": "ais", **query}, json=body)


def test_a_bucket_is_made_and_destroyed_once(ais: Server) -> None:
    bucket = ais.client().bucket(new_name())
    bucket.create()
    with pytest.raises(ErrBckAlreadyExists):
        bucket.create()
    bucket.create(exist_ok=True)
    assert bucket.name in [found.name for found in ais.client().cluster().list_buckets()]
    bucket.delete()
    with pytest.raises(ErrBckNotFound):
        bucket.delete()
    bucket.delete(missing_ok=True)
    assert bucket.name not in [found.name for found in ais.client().cluster().list_buckets()]


def test_a_destroyed_bucket_comes_back_empty(bucket: Bucket) -> None:
    put(bucket, "o", b"x")
    bucket.delete()
    bucket.create()
    assert bucket.list_all_objects() == []
    with pytest.raises(ErrObjNotFound):
        bucket.object("o").get_reader().read_all()


def test_calls_about_a_missing_bucket(ais: Server) -> None:
    missing = ais.client().bucket(new_name())
    with pytest.raises(ErrBckNotFound):
        missing.list_all_objects()
    with pytest.raises(ErrBckNotFound):
        missing.summary()
    with pytest.raises(AISError) as caught:
        missing.head()
    assert caught.value.status_code == 404


def test_errors_quote_the_bucket_so_that_the_sdk_finds_it(ais: Server, bucket: Bucket) -> None:
    name = new_name()
    body = act(ais, "GET", f"buckets/{name}", "list", {}).json()
    assert (body["tcode"], body["status"]) == ("ErrBckNotFound", 404)
    assert f'"ais://{name}" does not exist' in body["message"]
    body = act(ais, "POST", f"buckets/{bucket.name}", "create-bck").json()
    assert (body["tcode"], body["status"]) == ("ErrBucketAlreadyExists", 409)


@pytest.mark.parametrize("name", ["a" * 65, "with space", "a..b", ".hidden", "ü"])
def test_names_no_bucket_can_have(ais: Server, name: str) -> None:
    with pytest.raises(AISError) as caught:
        ais.client().bucket(name).create()
    assert caught.value.status_code == 400


@pytest.mark.parametrize("provider", ["ht", "nope"])
def test_unknown_providers(ais: Server, provider: str) -> None:
    response = requests.get(f"{ais.endpoint}/v1/objects/b/o", params={"provider": provider})
    assert (response.status_code, response.json()["tcode"]) == (400, "ErrInvalidBackendProvider")


def test_provider_and_namespace_make_another_bucket(ais: Server, bucket: Bucket) -> None:
    inner = ais.client().bucket(bucket.name, namespace=Namespace(uuid="", name="ns"))
    with pytest.raises(AISError):
        inner.list_all_objects()
    inner.create()
    try:
        put(inner, "o", b"inner")
        put(bucket, "o", b"global")
        assert inner.object("o").get_reader().read_all() == b"inner"
        assert bucket.object("o").get_reader().read_all() == b"global"
        assert inner.object("o").get_reader(direct=True).read_all() == b"inner"
        spaces = {b.namespace.name for b in ais.client().cluster().list_buckets() if b.name == bucket.name}
        assert spaces == {"", "ns"}
    finally:
        inner.delete()


def test_head_tells_the_properties(ais: Server, bucket: Bucket) -> None:
    props = json.loads(bucket.head()["Ais-Bucket-Props"])
    assert props["provider"] == "ais"
    assert props["checksum"]["type"] == "xxhash2"
    assert {"backend_bck", "versioning", "mirror", "ec", "lru", "access", "bid", "created"} <= props.keys()


def test_versions_are_shown_where_the_bucket_has_them(ais: Server, bucket: Bucket) -> None:
    response = act(ais, "PATCH", f"buckets/{bucket.name}", "set-bprops", {"versioning": {"enabled": True}})
    assert response.status_code == 200
    assert json.loads(bucket.head()["Ais-Bucket-Props"])["versioning"]["enabled"] is True
    for version in ("1", "2"):
        put(bucket, "o", b"x")
        headers = requests.get(f"{ais.endpoint}/v1/objects/{bucket.name}/o?provider=ais").headers
        assert headers["Ais-Version"] == version


def test_a_summary_counts_objects_and_bytes(bucket: Bucket) -> None:
    for index in range(1, 5):
        put(bucket, f"a/{index}", b"x" * index)
    put(bucket, "b", b"x" * 100)
    found = bucket.summary(prefix="a/")
    assert found["ObjCount"]["obj_count_present"] == "4"
    assert (found["ObjSize"]["obj_min_size"], found["ObjSize"]["obj_max_size"]) == (1, 4)
    assert found["TotalSize"]["size_all_present_objs"] == "10"
    assert (found["name"], found["provider"]) == (bucket.name, "ais")


def test_info_has_properties_and_a_summary(bucket: Bucket) -> None:
    put(bucket, "o", b"12345")
    props, summary = bucket.info()
    assert json.loads(props)["provider"] == "ais"
    assert (summary["ObjCount"]["obj_count_present"], summary["is_present"]) == ("1", True)


def test_eviction_is_for_buckets_of_other_providers(ais: Server, bucket: Bucket) -> None:
    response = act(ais, "DELETE", f"buckets/{bucket.name}", "evict-remote-bck", keep_bck_md="True")
    assert (response.status_code, response.json()["tcode"]) == (400, "ErrNotRemoteBck")


def test_a_renamed_bucket_keeps_its_objects(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"x")
    before = bucket.name
    job = bucket.rename(new_name())  # the SDK changes the instance, too
    ais.client().job(job_id=job, job_kind="move-bck").wait(timeout=60)
    assert bucket.object("o").get_reader().read_all() == b"x"
    with pytest.raises(ErrBckNotFound):
        ais.client().bucket(before).list_all_objects()


def test_the_cluster_is_ready_and_knows_its_nodes(ais: Server) -> None:
    cluster = ais.client().cluster()
    assert cluster.is_ready()
    smap = cluster.get_info()
    assert len(smap.tmap) == ais.targets
    assert smap.proxy_si.daemon_id in smap.pmap
    assert cluster.get_uuid() == smap.uuid != ""
    assert cluster.get_primary_url() == ais.endpoint
    assert len({node.id_digest for node in smap.tmap.values()}) == ais.targets


def test_the_map_is_the_same_wherever_it_is_asked_for(ais: Server) -> None:
    raw = requests.get(f"{ais.endpoint}/v1/daemon?what=smap").json()
    assert raw["version"].isdecimal()
    assert requests.get(f"{ais.endpoint}/v1/cluster?what=smap").json()["tmap"] == raw["tmap"]
    for node in raw["tmap"].values():
        url = node["public_net"]["direct_url"]
        assert requests.get(f"{url}/v1/daemon?what=smap").json()["tmap"].keys() == raw["tmap"].keys()
        assert requests.get(f"{url}/v1/health").status_code == 200


def test_nodes_tell_their_status(ais: Server) -> None:
    performance = ais.client().cluster().get_performance()
    assert performance.keys() == ais.client().cluster().get_info().tmap.keys()


@pytest.mark.parametrize("path", ["nonsense", "daemon?what=nonsense", "cluster?what=nonsense"])
def test_unknown_calls(ais: Server, path: str) -> None:
    response = requests.get(f"{ais.endpoint}/v1/{path}")
    assert response.status_code == 400
    assert response.json()["status"] == 400


def test_the_wrong_verb_is_answered_in_plain_text(ais: Server) -> None:
    response = requests.patch(f"{ais.endpoint}/v1/ml/moss")
    assert response.status_code == 405
    assert response.text.strip() == "Method Not Allowed"
    assert "GET" in response.headers["Allow"]


def test_the_answer_comes_from_one_target_only(ais: Server, bucket: Bucket) -> None:
    smap = ais.client().cluster().get_info()
    for index in range(6):
        put(bucket, f"o{index}", b"x")
        statuses = {
            node.daemon_id: requests.get(f"{node.public_net.direct_url}/v1/objects/{bucket.name}/o{index}").status_code
            for node in smap.tmap.values()
        }
        owner = smap.get_target_for_object(f"ais/@#/{bucket.name}/o{index}").daemon_id
        assert statuses.pop(owner) == 200
        assert set(statuses.values()) <= {404}


def test_the_proxy_redirects_to_the_owner(ais: Server, bucket: Bucket) -> None:
    if ais.targets == 1:
        pytest.skip("one target needs no redirects")
    smap = ais.client().cluster().get_info()
    owner = smap.get_target_for_object(f"ais/@#/{bucket.name}/a b").public_net.direct_url
    path = f"/v1/objects/{bucket.name}/a%20b"
    for verb, status in (("PUT", 307), ("GET", 301), ("HEAD", 307), ("DELETE", 307)):
        response = requests.request(verb, ais.endpoint + path + "?provider=ais", allow_redirects=False)
        assert response.status_code == status
        location, _, query = response.headers["Location"].partition("?")
        assert location == f"{owner}{path}"
        assert {"provider", "pid", "utm"} <= parse_qs(query).keys()


def test_targets_change_objects_only_for_clients_that_were_sent(ais: Server, bucket: Bucket) -> None:
    if ais.targets == 1 and ais.embedded:
        pytest.skip("with one target of the embedded server, the proxy is the target")
    smap = ais.client().cluster().get_info()
    for node in smap.tmap.values():
        base = node.public_net.direct_url
        for verb in ("PUT", "DELETE"):
            response = requests.request(verb, f"{base}/v1/objects/{bucket.name}/o?provider=ais")
            assert response.status_code == 400
            assert "redirected" in response.json()["message"]
        assert requests.get(f"{base}/v1/ml/moss/{bucket.name}", json={"in": [{"objname": "o"}]}).status_code == 401
        assert act(Server(base, ais.embedded, 1), "GET", f"buckets/{bucket.name}", "list", {}).status_code == 400


@pytest.mark.parametrize("checksum", [{"type": "nonsense"}, {"type": ""}, "md5"])
def test_checksums_that_there_are_not_are_refused(ais: Server, bucket: Bucket, checksum: Any) -> None:
    if checksum == {"type": ""} and not ais.embedded:
        pytest.skip("AIStore takes an empty type for none given")
    answer = act(ais, "PATCH", f"buckets/{bucket.name}", "set-bprops", {"checksum": checksum})
    assert answer.status_code == 400


def test_checksums_that_the_embedded_server_has_not_are_refused(ais: Server, bucket: Bucket) -> None:
    answer = act(ais, "PATCH", f"buckets/{bucket.name}", "set-bprops", {"checksum": {"type": "md5"}})
    assert answer.status_code == (400 if ais.embedded else 200)
    put(bucket, "o", b"data")
    kind = bucket.object("o").head(props="checksum").checksum_type
    assert kind == ("xxhash2" if ais.embedded else "md5")


def test_a_bucket_is_copied_into_an_empty_one(ais: Server, bucket: Bucket) -> None:
    put(bucket, "o", b"data")
    target = ais.client().bucket(new_name()).create()
    try:
        ais.client().job(bucket.copy(target)).wait(timeout=60)
        assert target.object("o").get_reader().read_all() == b"data"
    finally:
        target.delete()
