"""`Catalog`: what is known of shards: from indices beside them, from the server's listing, or from a look at them."""

from __future__ import annotations

import gzip
import pickle
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import xxhash
import zstandard
from aistore.sdk import Bucket
from aistore.sdk.etl import ETLConfig

from aistorch import MemberIndex, ReadConfig
from aistorch.errors import (
    AIStorchError,
    DuplicateMemberError,
    ReadError,
    ShardError,
    StaleShardIndexWarning,
    TruncatedShardError,
)
from aistorch.fetch.reader import Reader
from aistorch.index.build import build_index
from aistorch.shards.catalog import Catalog
from aistorch.shards.facts import Facts
from aistorch.sources.resolve import Selection
from tests.support import archives
from tests.support.objects import listings, new_bucket, put_all
from tests.support.shards import Files, files_of, index_of, indexed
from tests.support.tars import pack, sparse_gnu

if TYPE_CHECKING:
    from tests.contract.conftest import Server

PAIRS = files_of("p", 3)
FOLDERS: Files = [("a/1.jpg", b"1"), ("a/1.seg.png", b"2"), ("b/1.jpg", b"3"), ("README", b"4"), ("b/.hidden", b"5")]
LARGER = [(f"n{number}.x", bytes(number)) for number in range(70)]
OF_PAIRS = Facts(("jpg", "cls"), by_key=False, samples=3, files=6)
OF_FOLDERS = Facts(("jpg", "seg.png"), by_key=True, samples=2, files=5)


def catalog_of(source: Any, *prefixes: str, etl: ETLConfig | None = None, use_indices: bool = True) -> Catalog:
    selections = [Selection(source, prefix) for prefix in prefixes or ("",)]
    return Catalog(Reader([source] * len(selections), ReadConfig(), etl), build_index(selections), use_indices)


def marked(name: str, data: bytes, *samples: str) -> dict[str, bytes]:
    """A shard, and an index for it that tells of other files than it has: who says so has looked at the index only."""
    entries = [(f"{sample}.marked", 512, 1) for sample in samples]
    return {name: data, f"{name}.idx": MemberIndex.from_entries(entries, len(data), hash_of(data)).to_bytes()}


NO_ARCHIVE = b"no archive at all".ljust(600, b".")


def hash_of(data: bytes) -> int:
    return xxhash.xxh64_intdigest(data)


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# where facts come from


def test_facts_are_those_of_the_index_beside_the_shard(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, marked("0.tar", pack(PAIRS), "k", "l") | marked("1.tar", NO_ARCHIVE, "a/m", "b/m"))
    with listings() as seen:
        catalog = catalog_of(bucket)
        assert catalog.facts(0) == Facts(("marked",), by_key=False, samples=2)
        assert catalog.facts(1) == Facts(("marked",), by_key=True, samples=2)
        assert catalog.counts([0, 1]) == [2, 2]
        assert catalog.extensions([1, 0]) == ["marked"]
    assert [value["flags"] for value in seen] == ["0"]  # of the bucket; no archive was looked into
    index = catalog.index(0)
    assert index is not None
    assert index.keys() == ["k", "l"]


def test_without_an_index_facts_are_those_of_the_servers_listing(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, {"0.tar": pack(FOLDERS), "1.zip": archives.pack(".zip", PAIRS)})
    catalog = catalog_of(bucket)
    assert catalog.facts(0) is None
    assert catalog.index(0) is None
    with listings() as seen:
        assert catalog.ask_server(0) == OF_FOLDERS
        assert catalog.counts([1, 0]) == [3, 2]
        assert catalog.file_counts([0, 1]) == [5, 6]
    assert [(value["prefix"], value["flags"]) for value in seen] == [("0.tar", "8"), ("1.zip", "8")]
    assert catalog.facts(0) == OF_FOLDERS  # kept


def test_what_the_server_does_not_open_is_read(bucket: Bucket, no_warnings: None) -> None:
    compressed = zstandard.compress(pack(PAIRS))
    put_all(bucket, {"0.bin": pack(FOLDERS), "1.tar.zst": compressed, "2.x": pack(LARGER), "3.x": pack([])})
    catalog = catalog_of(bucket)
    with listings() as seen:
        assert [catalog.ask_server(shard) for shard in range(4)] == [None] * 4
        assert catalog.counts(range(4)) == [2, 3, 70, 0]
        assert catalog.file_counts([1, 0, 3, 2]) == [6, 5, 0, 70]
        assert catalog.extensions([2, 0, 1]) == ["x", "jpg", "seg.png", "cls"]
    assert seen == []
    assert [catalog.facts(shard) for shard in (0, 1)] == [OF_FOLDERS, OF_PAIRS]


def test_an_empty_archive_and_an_object_without_bytes(bucket: Bucket) -> None:
    put_all(bucket, {"0.tar": pack([]), "1.tar": b""})
    catalog = catalog_of(bucket)
    assert catalog.counts([0]) == [0]
    assert catalog.extensions([0]) == []
    with pytest.raises(AIStorchError, match=r"1\.tar"):
        catalog.counts([1])


def test_what_was_seen_while_reading_is_kept(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, {"0.tar": pack(PAIRS)})
    catalog = catalog_of(bucket)
    seen = Facts(("seen",), by_key=False, samples=9, files=9)
    catalog.learn(0, seen)
    catalog.learn(0, OF_PAIRS)  # nothing new: what samples have been made by stays
    with listings() as asked:
        assert (catalog.facts(0), catalog.counts([0]), catalog.file_counts([0])) == (seen, [9], [9])
        assert pickle.loads(pickle.dumps(catalog)).facts(0) == seen
    assert asked == []


@pytest.mark.parametrize("name", ["s.tar", "s.bin"])
def test_a_shard_that_is_asked_for_twice_is_looked_at_once(bucket: Bucket, name: str) -> None:
    put_all(bucket, {name: pack(PAIRS), f"{name}.idx": b"broken"})
    with listings() as seen:
        catalog = catalog_of(bucket)
        with pytest.warns(StaleShardIndexWarning) as warned:
            assert catalog.counts([0, 0, 0]) == [3, 3, 3]
        assert sorted(catalog.extensions(iter([0, 0]))) == ["cls", "jpg"]
    assert len(warned) == 1
    assert [value["flags"] for value in seen] == ["0", *["8"] * name.endswith(".tar")]


def test_many_shards_of_all_kinds(bucket: Bucket, no_warnings: None) -> None:
    objects: dict[str, bytes] = {}
    for number in range(140):  # indices are read in blocks of 64
        files = files_of(f"m{number}", number % 3 + 1, ("x", f"e{number % 2}"))
        name = f"{number:03}" + (".bin" if number % 20 == 7 else ".tar")
        objects |= indexed(name, files) if number % 20 else {name: pack(files)}
        if number % 20 == 7:
            del objects[f"{name}.idx"]
    put_all(bucket, objects)
    catalog = catalog_of(bucket)
    assert catalog.shards.names() == sorted(name for name in objects if not name.endswith(".idx"))
    assert catalog.counts(range(140)) == [number % 3 + 1 for number in range(140)]
    assert catalog.counts([139, 7, 20]) == [2, 2, 3]
    assert catalog.extensions([3, 2, 7]) == ["x", "e1", "e0"]
    assert [len(index) for index in catalog_of(bucket).all_indices()] == [number % 3 + 1 for number in range(140)]


# which objects are shards


def test_indices_are_no_shards(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, indexed("b.tar", PAIRS) | {"a.tar": pack(PAIRS), "gone.tar.idx": b"of a shard that is gone"})
    for use_indices in (True, False):
        catalog = catalog_of(bucket, use_indices=use_indices)
        assert catalog.shards.names() == ["a.tar", "b.tar"]
        assert [catalog.url(shard) for shard in (0, 1)] == [f"ais://{bucket.name}/{name}.tar" for name in "ab"]
        assert catalog.counts([0, 1]) == [3, 3]
        assert [catalog.index(shard) is not None for shard in (0, 1)] == [False, use_indices]


def test_an_index_is_that_of_its_own_source(ais: Server, bucket: Bucket, no_warnings: None) -> None:
    here, there = pack(PAIRS), pack(FOLDERS)
    with new_bucket(ais.client(), {"s.tar": there}) as other:
        put_all(bucket, marked("s.tar", here, "k"))
        selections = [Selection(other), Selection(bucket), Selection(bucket, "s.tar.")]
        reader = Reader([selection.source for selection in selections], ReadConfig())
        catalog = Catalog(reader, build_index(selections))
        assert [catalog.url(shard) for shard in (0, 1)] == [f"ais://{each.name}/s.tar" for each in (other, bucket)]
        assert len(catalog.shards) == 2
        assert catalog.counts([0, 1]) == [2, 1]
        assert catalog.facts(0) == OF_FOLDERS


def test_named_objects_get_their_sizes(bucket: Bucket, no_warnings: None) -> None:
    data = pack(PAIRS)
    put_all(bucket, marked("s.tar", data, "k") | {"t.tar": data})
    catalog = catalog_of(bucket.objects(obj_names=["t.tar", "s.tar", "s.tar.idx", "missing.tar"]))
    assert catalog.shards.names() == ["t.tar", "s.tar", "missing.tar"]
    assert catalog.shards.sizes.tolist() == [len(data), len(data), -1]
    assert catalog.counts([0, 1]) == [3, 1]
    with pytest.raises(ReadError, match=r"missing\.tar does not exist"):
        catalog.counts([2])


# indices that cannot be used


SAME_SIZE = [(name, body[::-1]) for name, body in PAIRS[:-2]] + [(f"q.{n[-3:]}", b) for n, b in PAIRS[-2:]]
BAD_INDICES = {
    "of a shard of another size": (pack(PAIRS), index_of("s.tar", pack(LARGER)).to_bytes(), "an earlier version"),
    "of a shard of the same size": (pack(SAME_SIZE), index_of("s.tar", pack(PAIRS)).to_bytes(), "an earlier version"),
    "empty": (pack(PAIRS), b"", "damaged"),
    "something else": (pack(PAIRS), b"{}" * 99, "it is text .* no index"),
    "cut within a word": (pack(PAIRS), index_of("s.tar", pack(PAIRS)).to_bytes()[:-30], "damaged"),
    "cut": (pack(PAIRS), index_of("s.tar", pack(PAIRS)).to_bytes()[:-64], "damaged"),
}


@pytest.mark.parametrize("kind", BAD_INDICES)
@pytest.mark.parametrize("named", [False, True], ids=["listed", "named"])
def test_an_index_that_cannot_be_used_is_named_and_left_alone(bucket: Bucket, kind: str, named: bool) -> None:
    data, index, text = BAD_INDICES[kind]
    put_all(bucket, {"s.tar": data, "s.tar.idx": index})
    source = bucket.objects(obj_names=["s.tar", "s.tar.idx"]) if named else bucket
    catalog = catalog_of(source)
    with pytest.warns(StaleShardIndexWarning, match=rf"ais://{bucket.name}/s\.tar.*{text}.*read without") as warned:
        assert catalog.index(0) is None
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert catalog.index(0) is None  # warned of once
        assert catalog.facts(0) is None
        assert catalog.counts([0]) == [3]
        assert sorted(catalog.extensions([0])) == ["cls", "jpg"]
    with pytest.warns(StaleShardIndexWarning, match=text):
        assert catalog_of(source).counts([0]) == [3]
    with pytest.warns(StaleShardIndexWarning, match=text):
        (made,) = catalog_of(source).all_indices()
    assert [made.sample(n) for n in range(len(made))] == [index_of("s.tar", data).sample(n) for n in range(3)]


def test_an_index_that_is_gone_since_the_listing_is_done_without(bucket: Bucket) -> None:
    put_all(bucket, indexed("0.tar", PAIRS) | marked("1.tar", pack(PAIRS), "k") | indexed("2.tar", PAIRS))
    catalogs = [catalog_of(bucket) for _ in range(3)]
    bucket.object("0.tar.idx").delete()
    bucket.object("2.tar.idx").delete()
    with pytest.warns(StaleShardIndexWarning, match=r"index of .*/2\.tar has been deleted.*read without"):
        assert catalogs[0].index(2) is None
    with pytest.warns(StaleShardIndexWarning) as warned:
        assert catalogs[1].counts(range(3)) == [3, 1, 3]
    assert len(warned) == 2
    assert "/0.tar" in str(warned[0].message)
    with pytest.warns(StaleShardIndexWarning):
        indices = catalogs[2].all_indices()
    assert [len(index) for index in indices] == [3, 1, 3]
    assert indices[1].keys() == ["k"]


def test_the_index_of_a_shard_is_not_that_of_what_an_etl_makes_of_it(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, marked("s.tar", pack(PAIRS), "k"))
    catalog = catalog_of(bucket, etl=ETLConfig("any"))
    assert catalog.shards.names() == ["s.tar"]
    with listings() as seen:
        assert (catalog.index(0), catalog.facts(0), catalog.ask_server(0)) == (None, None, None)
    assert seen == []


# the index of every shard


def test_each_shard_has_an_index_stored_or_made(bucket: Bucket, no_warnings: None) -> None:
    put_all(bucket, marked("0.tar", pack(PAIRS), "k", "l") | {"1.tar": pack(FOLDERS), "2.bin": pack([])})
    stored, made, empty = catalog_of(bucket).all_indices()
    assert stored.keys() == ["k", "l"]
    assert made.keys() == ["a/1", "b/1"]
    assert made.shard_size == len(pack(FOLDERS))
    assert [pack(FOLDERS)[offset : offset + size] for _, offset, size in made.sample(0)[1]] == [b"1", b"2"]
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (gzip.compress(pack(PAIRS)), ShardError, "compressed.*AISShardReader"),
        (sparse_gnu("s.x", 99, [(9, b"sparse")]) + bytes(1024), ShardError, r"s\.x.*sparse.*AISShardReader"),
        (archives.pack(".zip", PAIRS), ShardError, "zip"),
        (pack([("a.x", b"1"), ("a.x", b"2")]), DuplicateMemberError, r"a\.x"),
        (pack(PAIRS)[:700], TruncatedShardError, "too early"),
    ],
    ids=["compressed", "sparse", "zip", "twice", "cut"],
)
def test_shards_that_cannot_have_an_index(bucket: Bucket, data: bytes, error: Any, text: str) -> None:
    put_all(bucket, marked("0.tar", pack(PAIRS), "k") | {"1.bin": data})
    with pytest.raises(error, match=rf"ais://{bucket.name}/1\.bin.*{text}"):
        catalog_of(bucket).all_indices()


# sources of a user's own


class Own:
    """Lists and reads objects of a bucket by nothing but its own means."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def list_all_objects_iter(self, prefix: str = "", props: str = "name,size") -> Any:
        return self._bucket.list_all_objects_iter(prefix=prefix, props=props)


def test_shards_of_a_source_of_its_own(bucket: Bucket, no_warnings: None) -> None:
    objects = marked("0.tar", pack(PAIRS), "k") | {"1.tar": pack(FOLDERS), "2.tar": gzip.compress(pack(PAIRS))}
    put_all(bucket, objects)
    catalog = catalog_of(Own(bucket))
    assert catalog.shards.names() == ["0.tar", "1.tar", "2.tar"]
    assert list(catalog.shards.foreign) == [0, 1, 2]
    assert catalog.ask_server(1) is None  # nobody knows what server that would be
    with listings() as seen:
        assert catalog.counts(range(3)) == [1, 2, 3]
        assert catalog.facts(1) == OF_FOLDERS
        assert catalog_of(Own(bucket), "1").all_indices()[0].keys() == ["a/1", "b/1"]
    assert [value["flags"] for value in seen] == ["0"]  # the SDK's, for the second catalog


def test_the_stale_index_of_a_source_of_its_own_is_not_used(bucket: Bucket) -> None:
    put_all(bucket, {"0.tar": pack(LARGER), "0.tar.idx": index_of("0.tar", pack(PAIRS)).to_bytes()})
    catalog = catalog_of(Own(bucket))
    with pytest.warns(StaleShardIndexWarning, match=r"0\.tar belongs to an earlier version"):
        assert catalog.counts([0]) == [70]
