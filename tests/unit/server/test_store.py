from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aistorch.server import bucket as bucket_module
from aistorch.server.bucket import Bucket
from aistorch.server.http_errors import BucketExists, BucketMissing, ObjectMissing
from aistorch.server.names import BucketKey
from aistorch.server.object_file import ObjectMeta, encode_trailer
from aistorch.server.store import Store, StoreLockedError

KEY = BucketKey.make("bk")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def bucket(store: Store) -> Bucket:
    return store.create(KEY)


def put(bucket: Bucket, name: str, data: bytes, custom: dict[str, str] | None = None) -> ObjectMeta:
    with bucket.writer(name, custom) as writer:
        writer.write(data)
        return writer.commit()


def read(bucket: Bucket, name: str) -> bytes:
    meta, file = bucket.open(name)
    with file:
        return file.read(meta.size)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def reopened(store: Store) -> Store:
    store.close()
    return Store(store.root)


def test_what_was_put_is_read(bucket: Bucket) -> None:
    meta = put(bucket, "a/b", b"hello 1", {"k": "v"})
    assert (meta.name, meta.size, meta.checksum, meta.version, meta.custom) == (
        "a/b",
        7,
        "c169567b5b08ba62",
        1,
        {"k": "v"},
    )
    assert bucket.get("a/b") == meta
    assert read(bucket, "a/b") == b"hello 1"


def test_an_empty_object_is_an_object(bucket: Bucket) -> None:
    assert put(bucket, "e", b"").checksum == "ef46db3751d8e999"
    assert read(bucket, "e") == b""


def test_overwriting_counts_versions_and_forgets_custom_properties(bucket: Bucket) -> None:
    put(bucket, "o", b"one", {"k": "v"})
    assert put(bucket, "o", b"two!").version == 2
    assert (bucket.get("o").custom, read(bucket, "o")) == ({}, b"two!")


def test_a_reader_goes_on_with_what_it_opened(bucket: Bucket) -> None:
    put(bucket, "o", b"old")
    meta, file = bucket.open("o")
    put(bucket, "o", b"newer")
    bucket.delete("o")
    with file:
        assert file.read(meta.size) == b"old"


def test_an_uncommitted_object_is_never_seen_and_leaves_nothing(bucket: Bucket, store: Store) -> None:
    before = files(store.root)
    with bucket.writer("o") as writer:
        writer.write(b"half")
    assert "o" not in bucket
    assert files(store.root) == before


def test_a_failed_stream_keeps_the_old_object(bucket: Bucket, store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionResetError

    put(bucket, "o", b"old")
    with pytest.raises(ConnectionResetError):
        asyncio.run(bucket.put("o", broken()))
    assert read(bucket, "o") == b"old"
    assert list((store.root / "tmp").iterdir()) == []


def test_a_stream_of_many_chunks_is_stored_in_order(bucket: Bucket) -> None:
    chunks = [bytes([i]) * (300_000 + i) for i in range(8)]

    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    meta = asyncio.run(bucket.put("o", stream(), {"a": "b"}))
    assert read(bucket, "o") == b"".join(chunks)
    assert meta.checksum == xxhash.xxh64_hexdigest(b"".join(chunks))


def test_missing_objects_and_buckets_are_typed_errors(bucket: Bucket, store: Store) -> None:
    for call in (bucket.get, bucket.open, bucket.open_data, bucket.delete):
        with pytest.raises(ObjectMissing, match="ais://bk/nope"):
            call("nope")
    with pytest.raises(BucketMissing):
        store.bucket(BucketKey.make("nope"))
    with pytest.raises(BucketMissing):
        store.destroy(BucketKey.make("nope"))
    with pytest.raises(BucketExists):
        store.create(KEY)


def test_a_destroyed_bucket_takes_its_objects_and_refuses_late_writers(bucket: Bucket, store: Store) -> None:
    put(bucket, "o", b"data")
    with bucket.writer("late") as late:
        store.destroy(KEY)
        with pytest.raises(BucketMissing):
            late.commit()
    assert [path.name for path in files(store.root)] == ["lock"]
    assert len(store.create(KEY)) == 0


def test_a_renamed_bucket_keeps_its_objects_over_a_restart(bucket: Bucket, store: Store) -> None:
    put(bucket, "o", b"data")
    to = BucketKey.make("other", namespace="#ns")
    store.rename(KEY, to)
    again = reopened(store)
    assert [found.key for found in again.buckets()] == [to]
    assert read(again.bucket(to), "o") == b"data"
    again.close()


def test_buckets_of_one_name_differ_by_provider_and_namespace(store: Store) -> None:
    keys = [KEY, BucketKey.make("bk", "aws"), BucketKey.make("bk", namespace="#n"), BucketKey.make("bk", "", "@u#n")]
    for index, key in enumerate(keys):
        put(store.create(key), "o", bytes([index]))
    again = reopened(store)
    assert [read(again.bucket(key), "o") for key in keys] == [b"\0", b"\1", b"\2", b"\3"]
    assert [found.key for found in again.buckets("aws")] == [keys[1]]
    again.close()


def test_everything_is_there_after_a_restart(bucket: Bucket, store: Store) -> None:
    put(bucket, "o", b"one", {"k": "v"})
    bucket.set_custom("o", {"x": "y"})
    bucket.update_props({"versioning": {"enabled": True}})
    meta, created = bucket.get("o"), bucket.created
    again = reopened(store).bucket(KEY)
    assert (again.get("o"), again.created, again.versioned) == (meta, created, True)
    assert meta.custom == {"x": "y"}
    assert read(again, "o") == b"one"


def test_custom_properties_go_to_the_object_that_is_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bucket, "o", b"old")
    copy = shutil.copyfileobj

    def replaced_meanwhile(*args: Any) -> None:
        monkeypatch.setattr(shutil, "copyfileobj", copy)
        put(bucket, "o", b"new")
        copy(*args)

    monkeypatch.setattr(shutil, "copyfileobj", replaced_meanwhile)
    bucket.set_custom("o", {"k": "v"})
    assert (read(bucket, "o"), bucket.get("o").custom, bucket.get("o").version) == (b"new", {"k": "v"}, 2)


@pytest.mark.parametrize("damage", ["cut", "extended", "trailer", "data", "empty", "moved"])
def test_a_torn_file_is_never_an_object(bucket: Bucket, store: Store, damage: str) -> None:
    put(bucket, "good", b"fine")
    put(bucket, "torn", b"x" * 100)
    path = Path(bucket._file("torn"))
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "extended":
        path.write_bytes(content + b"x")
    elif damage == "trailer":
        path.write_bytes(content.replace(b'"torn"', b'"born"'))
    elif damage == "data":
        path.write_bytes(content[1:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "moved":
        path.rename(path.with_name("0" * 32))
    again = reopened(store)
    assert again.bucket(KEY).sorted_names() == ["good"]
    assert len(list((store.root / "quarantine").iterdir())) == 1
    again.close()


def test_leftovers_of_a_killed_server_go_at_the_next_start(bucket: Bucket, store: Store) -> None:
    writer = bucket.writer("half")
    writer.write(b"x" * 1_000_000)
    again = reopened(store)
    assert list((store.root / "tmp").iterdir()) == []
    assert again.bucket(KEY).sorted_names() == []
    again.close()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"created": "x", "props": {}}', "[" * 100_000])
def test_a_damaged_description_of_a_bucket_costs_no_object(bucket: Bucket, store: Store, text: str) -> None:
    put(bucket, "o", b"data")
    (bucket.path / "bucket.json").write_text(text)
    again = reopened(store)
    assert read(again.bucket(KEY), "o") == b"data"
    again.close()


def test_an_empty_bucket_is_there_already(bucket: Bucket, store: Store) -> None:
    assert store.ensure(KEY) is bucket


def test_torn_files_of_one_name_are_all_kept(store: Store) -> None:
    for name in ("one", "two"):
        torn = Path(store.create(BucketKey.make(name))._file("o"))
        torn.parent.mkdir(parents=True)
        torn.write_text(name)
    reopened(store).close()
    assert sorted(path.read_text() for path in (store.root / "quarantine").iterdir()) == ["one", "two"]


@pytest.mark.parametrize("failing", ["trailer", "move", "bucket", "props", "custom"])
def test_nothing_is_left_of_what_a_full_disk_does_not_take(
    bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*arguments: Any, **_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(bucket, "o", b"old", {"k": "v"})
    if failing in ("trailer", "custom"):
        monkeypatch.setattr(bucket_module, "encode_trailer", full)
    else:
        monkeypatch.setattr(os, "replace", full)
    calls: dict[str, Callable[[], object]] = {
        "trailer": lambda: put(bucket, "o", b"new"),
        "move": lambda: put(bucket, "o", b"new"),
        "bucket": lambda: store.create(BucketKey.make("new")),
        "props": lambda: bucket.update_props({"versioning": {"enabled": True}}),
        "custom": lambda: bucket.set_custom("o", {"k": "w"}),
    }
    with pytest.raises(OSError, match="No space"):
        calls[failing]()
    assert list((store.root / "tmp").iterdir()) == []
    assert (read(bucket, "o"), bucket.get("o").custom, bucket.props) == (b"old", {"k": "v"}, {})
    assert [found.key for found in store.buckets()] == [KEY]


def test_one_server_at_a_time_owns_a_folder(store: Store) -> None:
    with pytest.raises(StoreLockedError, match="used by another server"):
        Store(store.root)
    reopened(store).close()


def test_any_name_stays_inside_the_folder(bucket: Bucket, store: Store) -> None:
    for name in ["../../x", "/etc/passwd", "a/b", "a", "a" * 4000, "ü\n\t"]:
        put(bucket, name, name.encode())
        assert store.root in Path(bucket._file(name)).resolve().parents
        assert read(bucket, name) == name.encode()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True), st.text(max_size=2))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_names_come_in_byte_order(store: Store, names: list[str], bound: str) -> None:
    key = BucketKey.make("order")
    bucket = store.create(key)
    try:
        for name in names:
            bucket.add(ObjectMeta(name, 0, "", 0))
        ordered = sorted(names, key=str.encode)
        assert list(bucket.names()) == ordered
        assert list(bucket.names(after=bound)) == [n for n in ordered if not bound or n.encode() > bound.encode()]
        assert list(bucket.names(prefix=bound)) == [n for n in ordered if n.startswith(bound)]
    finally:
        store.destroy(key)


def test_a_listing_under_way_does_not_mind_changes(bucket: Bucket) -> None:
    for name in "abc":
        put(bucket, name, b"")
    names = bucket.names()
    assert next(names) == "a"
    bucket.delete("b")
    put(bucket, "d", b"")
    assert list(names) == ["b", "c"]
    assert list(bucket.names()) == ["a", "c", "d"]


def test_open_data_ends_where_the_data_does(bucket: Bucket) -> None:
    put(bucket, "o", b"0123456789")
    _, file = bucket.open_data("o")
    with file:
        assert file.read() == b"0123456789"
        assert file.seek(-3, os.SEEK_END) == 7
        assert file.read() == b"789"
        assert file.seek(100) == 100
        assert file.read() == b""


def test_writers_in_threads_never_mix(bucket: Bucket) -> None:
    contents = [bytes([i]) * (1000 + i) for i in range(8)]

    def work(content: bytes) -> None:
        for _ in range(50):
            put(bucket, "same", content)
            meta, file = bucket.open("same")
            with file:
                seen.append((meta.checksum, file.read(meta.size)))

    seen: list[tuple[str, bytes]] = []
    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400
    assert all(xxhash.xxh64_hexdigest(data) == checksum for checksum, data in seen)
    assert bucket.get("same").version == 400


def test_a_trailer_is_self_contained(tmp_path: Path) -> None:
    meta = ObjectMeta("ü", 3, "c", 7, 9, {"k": "v, w"})
    path = tmp_path / "o"
    path.write_bytes(b"abc" + encode_trailer(meta))
    from aistorch.server.object_file import read_trailer

    assert read_trailer(path) == meta
