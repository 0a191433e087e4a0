from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from aistorch.server.bucket import Bucket
from aistorch.server.cluster_map import ClusterMap
from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.list_page import Entry, make_page
from aistorch.server.list_request import ListFlag, ListRequest
from aistorch.server.names import BucketKey
from aistorch.server.object_file import ObjectMeta
from aistorch.server.store import Store
from tests.support.archives import pack

ONE = ClusterMap("c", 1)
THREE = ClusterMap("c", 3)
PATHS = st.text("a./0é-", min_size=1, max_size=6).filter(
    lambda name: not (name.startswith("/") or name.endswith("/") or "//" in name)
)
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bucket(store: Store) -> Bucket:
    return store.create(BucketKey.make("bk"))


def fill(bucket: Bucket, *names: str) -> Bucket:
    for name in names:
        bucket.add(ObjectMeta(name, len(name), f"cs-{name}", 10**18, 2, {"k": "v"}))
    return bucket


def put(bucket: Bucket, name: str, data: bytes) -> None:
    with bucket.writer(name) as writer:
        writer.write(data)
        writer.commit()


def pages(bucket: Bucket, cluster: ClusterMap = ONE, **value: Any) -> list[list[Entry]]:
    """All pages, as a client asks for them."""
    found, token, uuid = [], "", ""
    while True:
        request = ListRequest.parse({**value, "continuation_token": token, "uuid": uuid})
        page = make_page(bucket, request, cluster)
        assert page.UUID
        assert page.Entries or not page.ContinuationToken
        assert uuid in ("", page.UUID)
        found.append(page.Entries)
        token, uuid = page.ContinuationToken, page.UUID
        if not token:
            return found


def names(bucket: Bucket, cluster: ClusterMap = ONE, **value: Any) -> list[str]:
    return [entry.n for page in pages(bucket, cluster, **value) for entry in page]


@given(st.sets(PATHS, max_size=12), st.text("a./0é-", max_size=3), st.integers(1, 5), st.text("a/é", max_size=2))
@REUSED
def test_pages_add_up_to_the_sorted_names(store: Store, given: set[str], prefix: str, size: int, after: str) -> None:
    assume({".", ".."}.isdisjoint(prefix.split("/")))
    bucket = fill(store.create(BucketKey.make("bk")), *given)
    try:
        wanted = [n for n in sorted(given, key=str.encode) if n.startswith(prefix) and n.encode() > after.encode()]
        found = pages(bucket, prefix=prefix, pagesize=size, start_after=after)
        assert [entry.n for page in found for entry in page] == wanted
        assert all(len(page) == size for page in found[:-1])
    finally:
        store.destroy(bucket.key)


@given(st.sets(PATHS, max_size=12), st.sampled_from(["", "a", "a/", "é", "a/a"]), st.integers(1, 4))
@REUSED
def test_one_level_has_each_object_and_each_directory_once(
    store: Store, given: set[str], prefix: str, size: int
) -> None:
    bucket = fill(store.create(BucketKey.make("bk")), *given)
    try:
        wanted = set()
        for name in given:
            if name.startswith(prefix):
                rest, slash, _ = name[len(prefix) :].partition("/")
                wanted.add(prefix + rest + slash)
        flags = str(int(ListFlag.NO_RECURSION))
        found = [entry for page in pages(bucket, prefix=prefix, pagesize=size, flags=flags) for entry in page]
        assert [entry.n for entry in found] == sorted(wanted, key=str.encode)
        assert all((entry.f == 256) == entry.n.endswith("/") for entry in found)
    finally:
        store.destroy(bucket.key)


@given(st.sets(st.text("ab-./", min_size=1, max_size=4).filter(lambda n: ".." not in n), max_size=4), st.integers(1, 4))
@REUSED
def test_members_of_archives_are_paged_like_objects(store: Store, members: set[str], size: int) -> None:
    members = {m for m in members if {".", ""}.isdisjoint(m.split("/"))}
    bucket = store.create(BucketKey.make("bk"))
    try:
        for shard in ("s.tar", "t.zip"):
            put(bucket, shard, pack(shard[1:], [(member, b"xy") for member in members]))
        fill(bucket, "s", "s.tar-2", "s.tara", "s.tar.gz0", "u")
        wanted = ["s", "s.tar", "s.tar-2", "s.tara", "s.tar.gz0", "t.zip", "u"]
        wanted += [f"{shard}/{member}" for shard in ("s.tar", "t.zip") for member in members]
        found = [e for page in pages(bucket, pagesize=size, flags=str(int(ListFlag.ARCH_DIR))) for e in page]
        assert [entry.n for entry in found] == sorted(wanted, key=str.encode)
        kinds = {entry.n: entry.f for entry in found}
        assert (kinds["s"], kinds["s.tar"], kinds["t.zip"]) == (64, 576, 576)
        assert all((entry.f, entry.s) == (192, 2) for entry in found if entry.n.startswith(("s.tar/", "t.zip/")))
    finally:
        store.destroy(bucket.key)


def test_members_are_shown_under_clean_names(bucket: Bucket) -> None:
    put(bucket, "s.tar", pack(".tar", [("./x", b""), ("/y", b"")]))
    assert names(bucket, flags="8") == ["s.tar", "s.tar/x", "s.tar/y"]


def test_what_only_looks_like_an_archive_is_an_object(bucket: Bucket) -> None:
    put(bucket, "broken.tar", b"not a tar")
    assert [(e.n, e.f) for e in pages(bucket, flags="8")[0]] == [("broken.tar", 64)]


def test_props_decide_what_entries_show(bucket: Bucket) -> None:
    fill(bucket, "abc")
    location = ONE.location("ais/@#/bk/abc")
    everything = "name,size,checksum,atime,version,location,custom,copies,ec,status,cached,target_url"
    assert pages(bucket, props=everything)[0] == [
        Entry("abc", cs="cs-abc", a="09 Sep 01 01:46 UTC", v="2", t=location, m="[k:v]", s=3, c=1, f=64)
    ]
    assert pages(bucket)[0] == [Entry("abc", s=3, f=64)]
    assert pages(bucket, props="name")[0] == [Entry("abc", f=64)]
    assert pages(bucket, props="version")[0] == [Entry("abc", v="2", f=64)]
    bucket.props["versioning"] = {"enabled": False}
    assert pages(bucket, props="version")[0] == [Entry("abc", f=64)]


def test_flags_and_props_go_together_as_in_aistore(bucket: Bucket) -> None:
    fill(bucket, "abc")
    only, sized = str(int(ListFlag.NAME_ONLY)), str(int(ListFlag.NAME_SIZE))
    assert pages(bucket, props="checksum,size", flags=only)[0] == [Entry("abc", f=64)]
    assert pages(bucket, props="checksum", flags=sized)[0] == [Entry("abc", cs="cs-abc", s=3, f=64)]


def test_each_object_is_on_one_target(bucket: Bucket) -> None:
    fill(bucket, *(f"o{i}" for i in range(60)))
    by_target = {target: names(bucket, THREE, target=target, pagesize=7) for target in THREE.targets}
    assert sorted(name for found in by_target.values() for name in found) == bucket.sorted_names()
    assert all(by_target.values())
    for entry in pages(bucket, THREE, props="location")[0]:
        owner = entry.t.removeprefix("t[").partition("]:mp[")[0]
        assert entry.n in by_target[owner]


def test_an_unknown_target_is_not_found(bucket: Bucket) -> None:
    with pytest.raises(HTTPError, match="'nope' does not exist") as caught:
        pages(bucket, target="nope")
    assert caught.value.status == 404


def test_evicted_objects_are_listed_as_not_cached(store: Store) -> None:
    bucket = fill(store.create(BucketKey.make("cloud", "aws")), "in", "out")
    bucket.uncached.add("out")
    assert {e.n: (e.f, bool(e.t)) for e in pages(bucket, props="location")[0]} == {"in": (64, True), "out": (0, False)}
    assert names(bucket, flags=str(int(ListFlag.CACHED))) == ["in"]
    assert names(bucket, flags=str(int(ListFlag.NOT_CACHED))) == ["out"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"flags": 8}, "decimal number in a string"),
        ({"flags": "x"}, "decimal number in a string"),
        ({"pagesize": -1}, "invalid pagesize"),
        ({"pagesize": "5"}, "invalid pagesize"),
        ({"prefix": "a/../b"}, "invalid prefix"),
        ({"prefix": 7}, "prefix is a int"),
        ({"uuid": "not valid!"}, "invalid UUID"),
        ([], "an object"),
    ],
)
def test_bad_requests_say_what_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        ListRequest.parse(value)


def test_a_cloud_bucket_has_smaller_pages_and_no_start_after() -> None:
    assert ListRequest.parse({}).page_size == 10_000
    assert ListRequest.parse({"pagesize": 50_000}).page_size == 10_000
    assert ListRequest.parse({}, remote=True).page_size == 1000
    with pytest.raises(BadRequest, match="start_after"):
        ListRequest.parse({"start_after": "x"}, remote=True)


def test_a_star_at_the_end_of_a_prefix_means_nothing() -> None:
    assert ListRequest.parse({"prefix": "a/*"}).prefix == "a/"
