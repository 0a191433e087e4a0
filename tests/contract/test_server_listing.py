"""Listings, as the unmodified SDK and plain HTTP see them, on every server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import requests
import xxhash
from aistore.sdk import Bucket, ListObjectFlag
from aistore.sdk.errors import AISError

from tests.contract.conftest import Server
from tests.support.archives import pack

# AIStore loses objects at page boundaries where a directory has siblings like `d-1` and `d.txt`; the unit tests of the
# embedded server have such names.
NAMES = ["0", "A", "d/1", "d/2", "d/b/3", "d/b/4", "e-1", "e.txt", "f", "g/h/i", "ü"]


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    """A bucket that has `NAMES`; the object's content is its name."""
    for name in NAMES:
        bucket.object(name).get_writer().put_content(name.encode())
    return bucket


def names(bucket: Bucket, **how: Any) -> list[str]:
    return [entry.name for entry in bucket.list_all_objects(**how)]


def page(ais: Server, bucket: Bucket, accept: str = "application/msgpack", **value: Any) -> requests.Response:
    body = {"action": "list", "name": "", "value": value}
    url = f"{ais.endpoint}/v1/buckets/{bucket.name}?provider=ais"
    return requests.get(url, json=body, headers={"Accept": accept})


def test_names_come_in_byte_order(filled: Bucket) -> None:
    assert names(filled) == NAMES
    assert [entry.name for entry in filled.list_objects_iter()] == NAMES
    assert [found.name for found in filled.list_all_objects_iter()] == NAMES


@pytest.mark.parametrize("size", [1, 2, 5, len(NAMES) - 1, len(NAMES), len(NAMES) + 1])
def test_pages_of_any_size_add_up(filled: Bucket, size: int) -> None:
    assert names(filled, page_size=size) == NAMES
    first = filled.list_objects(page_size=size)
    assert [entry.name for entry in first.entries] == NAMES[:size]
    assert first.uuid
    if size < len(NAMES):
        assert first.continuation_token == NAMES[size - 1]
        second = filled.list_objects(page_size=size, uuid=first.uuid, continuation_token=first.continuation_token)
        assert [entry.name for entry in second.entries] == NAMES[size : 2 * size]


@pytest.mark.parametrize("prefix", ["d/", "d/b/", "f", "g", "ü", "zz", "e-"])
def test_prefixes(filled: Bucket, prefix: str) -> None:
    assert names(filled, prefix=prefix) == [name for name in NAMES if name.startswith(prefix)]
    assert names(filled, prefix=prefix, page_size=1) == [name for name in NAMES if name.startswith(prefix)]


@pytest.mark.parametrize("after", ["", "0", "d", "d/1", "zz", "ü"])
def test_a_listing_may_begin_anywhere(filled: Bucket, after: str) -> None:
    assert names(filled, start_after=after) == [name for name in NAMES if name > after]


def test_an_empty_bucket_has_one_empty_page(bucket: Bucket) -> None:
    found = bucket.list_objects()
    assert (found.entries, found.continuation_token) == ([], "")
    assert found.uuid
    assert list(bucket.list_objects_iter()) == []


def test_entries_show_what_is_asked_for(filled: Bucket, ais: Server) -> None:
    smap = ais.client().cluster().get_info()
    for entry in filled.list_all_objects(props="name,size,checksum,location,copies,atime"):
        assert (entry.size, entry.checksum) == (len(entry.name.encode()), xxhash.xxh64_hexdigest(entry.name.encode()))
        owner = smap.get_target_for_object(f"ais/@#/{filled.name}/{entry.name}").daemon_id
        assert entry.location.startswith(f"t[{owner}]:mp[")
        assert (entry.copies, entry.is_cached(), entry.is_ok()) == (1, True, True)
        assert entry.atime
    plain = filled.list_all_objects()[0]
    assert (plain.size, plain.checksum, plain.location, plain.flags) == (1, "", "", 64)


def test_flags_shorten_what_is_shown(filled: Bucket) -> None:
    only = filled.list_all_objects(flags=[ListObjectFlag.NAME_ONLY])
    assert ([e.name for e in only], only[3].size) == (NAMES, 0)
    sized = filled.list_all_objects(flags=[ListObjectFlag.NAME_SIZE])
    assert ([e.name for e in sized], sized[3].size) == (NAMES, 3)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_one_level_of_directories(filled: Bucket, size: int) -> None:
    flags = [ListObjectFlag.NO_RECURSION]
    top = filled.list_all_objects(flags=flags, page_size=size)
    assert [e.name for e in top] == ["0", "A", "d/", "e-1", "e.txt", "f", "g/", "ü"]
    assert [e.name for e in top if e.flags == 256] == ["d/", "g/"]
    inner = filled.list_all_objects(flags=flags, prefix="d/", page_size=size)
    assert [e.name for e in inner if e.flags != 256] == ["d/1", "d/2"]
    assert "d/b/" in [e.name for e in inner]


def test_each_target_lists_its_own(filled: Bucket, ais: Server) -> None:
    if not ais.embedded:
        pytest.skip("AIStore 5.0 checks the target's name, then lists the objects of all targets")
    smap = ais.client().cluster().get_info()
    found: list[str] = []
    for target in smap.tmap:
        own = names(filled, target=target)
        owners = {smap.get_target_for_object(f"ais/@#/{filled.name}/{name}").daemon_id for name in own}
        assert owners <= {target}
        found += own
    assert sorted(found) == NAMES


def test_archives_are_listed_with_their_members(bucket: Bucket) -> None:
    for shard in ("s.tar", "t.zip"):
        data = pack(shard[1:], [("x/1.jpg", b"abc"), ("y", b"")])
        bucket.object(shard).get_writer().put_content(data)
    flags = [ListObjectFlag.ARCH_DIR]
    found = bucket.list_all_objects(flags=flags)
    assert [(entry.name, entry.flags) for entry in found] == [
        ("s.tar", 576),
        ("s.tar/x/1.jpg", 192),
        ("s.tar/y", 192),
        ("t.zip", 576),
        ("t.zip/x/1.jpg", 192),
        ("t.zip/y", 192),
    ]
    assert found[1].size == 3
    assert [entry.name for entry in bucket.list_archive("t.zip")] == ["t.zip/x/1.jpg", "t.zip/y"]


def test_pages_are_msgpack_of_the_exact_type(ais: Server, filled: Bucket) -> None:
    response = page(ais, filled, props="name,size")
    assert response.headers["Content-Type"] == "application/msgpack"
    decoded = msgspec.msgpack.decode(response.content)
    assert list(decoded) == ["UUID", "ContinuationToken", "Entries", "Flags"]
    assert decoded["Entries"][0] == {"n": "0", "s": 1, "f": 64}


def test_without_msgpack_pages_are_json(ais: Server, filled: Bucket) -> None:
    response = page(ais, filled, accept="*/*", pagesize=2, props="name,size")
    assert response.headers["Content-Type"].startswith("application/json")
    found = response.json()
    assert found["uuid"]
    assert found["continuation_token"] == "A"
    assert [(entry["name"], entry["size"], entry["flags"]) for entry in found["entries"]] == [
        ("0", "1", 64),
        ("A", "1", 64),
    ]


@pytest.mark.parametrize(
    "value", [{"flags": 8}, {"prefix": "d/../b"}, {"uuid": "not valid!"}], ids=["flags", "prefix", "uuid"]
)
def test_bad_requests(ais: Server, filled: Bucket, value: dict[str, Any]) -> None:
    assert page(ais, filled, **value).status_code == 400


def test_a_token_works_without_its_listing(ais: Server, filled: Bucket) -> None:
    found = filled.list_objects(continuation_token="d/b", uuid="abcdefghi")
    assert [entry.name for entry in found.entries] == [name for name in NAMES if name > "d/b"]


def test_unknown_targets(filled: Bucket) -> None:
    with pytest.raises(AISError):
        names(filled, target="no-such-target")
