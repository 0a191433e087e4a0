"""`AISShardReader`: the same samples as the SDK's plugin where that is right, and none lost where it is not."""

from __future__ import annotations

import gzip
import pickle
import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import lz4.frame  # type: ignore[import-untyped]
import pytest
import xxhash
import zstandard
from aistore.sdk import Bucket
from torch.utils.data import DataLoader

import aistorch
from aistorch import AISShardReader, ReadConfig, ShardWriter
from aistorch.config import ShuffleConfig
from aistorch.errors import (
    ArgumentTypeError,
    DamagedShardError,
    DuplicateMemberError,
    EmptyListingWarning,
    InvalidArgumentError,
    ObjectNotFoundError,
    ScatteredSampleError,
    ShardError,
    StaleShardIndexWarning,
    TruncatedShardError,
)
from aistorch.shards.catalog import Catalog
from tests.support import archives
from tests.support.objects import content, listings, put_all
from tests.support.shards import Files, files_of, grouped, index_of, indexed, names, read_slowly, shard_bucket
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

MIB = 1 << 20
# Shards of more than half of this are not held back.
SMALL = ReadConfig(budget=1024)

PLAIN: dict[str, Files] = {
    "train-0.tar": files_of("a", 7),
    "train-1.tar": files_of("b", 3, ("jpg",)) + files_of("c", 2, ("seg", "jpg", "txt")),
    "train-2.tar": files_of("d", 4, ("npy",)),
    "val-0.tar": files_of("e", 5),
}
EXPECTED = read_slowly(PLAIN.values())
# Where indices tell all extensions, each sample has them all from the first one on.
COMPLETE = [(name, dict.fromkeys(EXPECTED[-1][1], b"") | files) for name, files in EXPECTED]


@pytest.fixture(scope="module")
def plain(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), PLAIN) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def with_indices(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), PLAIN, with_indices=True) as bucket:
        yield bucket


def put(bucket: Bucket, **shards: bytes) -> None:
    put_all(bucket, {f"{name}.tar": data for name, data in shards.items()})


# the plugin's contract


@pytest.mark.parametrize("prefixes", [None, "train-", ["val-", "train-1"]])
def test_samples_are_those_of_the_sdks_plugin(plain: Bucket, prefixes: Any) -> None:
    plugin = pytest.importorskip("aistore.pytorch")
    prefix_map: dict[Any, Any] = {plain: prefixes} if prefixes else {}
    # list() would ask for its length, which it cannot tell.
    expected = [sample for sample in plugin.AISShardReader(plain, prefix_map)]  # noqa: C416
    dataset = AISShardReader(plain, prefix_map)
    samples = list(dataset)
    assert names(samples) == names(expected)
    assert [dict(files) for _, files in samples] == [dict(files) for _, files in expected]
    assert len(dataset) == len(expected)


def test_samples_are_those_of_the_shards(plain: Bucket) -> None:
    dataset = AISShardReader(plain)
    for _ in range(2):
        samples = list(dataset)
        assert grouped(samples) == EXPECTED
        assert all(type(files) is aistorch.ZeroDict for _, files in samples)
        assert all(type(body) is bytes for _, files in samples for body in files.values())
    assert AISShardReader.ZeroDict is aistorch.ZeroDict


def test_the_default_collate_function_makes_batches(plain: Bucket) -> None:
    found = []
    for sample_names, files in DataLoader(AISShardReader(plain, {plain: "train-1"}), batch_size=2):
        assert set(files) == {"jpg", "seg", "txt"}
        found += [(name, {key: files[key][at] for key in files}) for at, name in enumerate(sample_names)]
    assert found == read_slowly([PLAIN["train-1.tar"]])


def test_urls(ais: Server, plain: Bucket) -> None:
    urls = [f"ais://{plain.name}/val-", f"ais://{plain.name}/train-2"]
    dataset = AISShardReader(client_url=ais.endpoint, urls_list=urls)
    assert grouped(dataset) == read_slowly([PLAIN["val-0.tar"], PLAIN["train-2.tar"]])


def test_sources_that_name_their_objects(plain: Bucket) -> None:
    group = plain.objects(obj_names=["val-0.tar", "train-2.tar"])
    assert grouped(AISShardReader([group, plain], {plain: "train-1"})) == read_slowly(
        PLAIN[name] for name in ("val-0.tar", "train-2.tar", "train-1.tar")
    )


def test_sources_that_name_their_objects_are_read_in_chunks(large: Bucket) -> None:
    group = large.objects(obj_template="{0..2}.tar")
    dataset = AISShardReader(group, config=ReadConfig(budget=MIB))
    assert dataset.index.sizes.min() > 0
    assert grouped(dataset) == read_slowly(LARGE.values())
    assert len(dataset) == 306


def test_a_shard_that_is_named_and_not_there(plain: Bucket) -> None:
    samples = iter(AISShardReader(plain.objects(obj_names=["val-0.tar", "missing.tar"])))
    assert grouped(islice(samples, 5)) == read_slowly([PLAIN["val-0.tar"]])
    with pytest.raises(ObjectNotFoundError, match=r"missing\.tar"):
        next(samples)


def test_it_can_be_pickled_before_during_and_after_use(plain: Bucket) -> None:
    dataset = AISShardReader(plain)
    copy = pickle.loads(pickle.dumps(dataset))
    assert grouped(copy) == EXPECTED
    samples = iter(dataset)
    first = list(islice(samples, 8))
    assert grouped(pickle.loads(pickle.dumps(dataset))) == EXPECTED
    assert grouped([*first, *samples]) == EXPECTED
    assert grouped(pickle.loads(pickle.dumps(dataset))) == EXPECTED
    sample = first[-1]
    assert pickle.loads(pickle.dumps(sample)) == sample


def test_leaving_a_loop_early_and_two_at_once(plain: Bucket) -> None:
    dataset = AISShardReader(plain)
    for count in (0, 1, 9):
        assert grouped(islice(dataset, count)) == EXPECTED[:count]
    for one, other in zip(dataset, dataset, strict=True):
        assert one == other


@pytest.mark.parametrize(
    "config",
    [
        ReadConfig(in_flight=1),
        ReadConfig(budget=1),
        ReadConfig(verify=False),
        ReadConfig(direct=False),
        ReadConfig(mode="batch"),
        ReadConfig(in_order=False),
        ReadConfig(split_from=600),
    ],
)
def test_configurations_change_no_sample(plain: Bucket, with_indices: Bucket, config: ReadConfig) -> None:
    assert grouped(AISShardReader(plain, config=config)) == EXPECTED
    assert grouped(AISShardReader(with_indices, config=config)) == COMPLETE


def test_progress_is_shown_where_asked(plain: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    assert grouped(AISShardReader(plain, show_progress=True)) == EXPECTED
    assert "AISShardReader" in (shown := capsys.readouterr().err)
    assert f"{len(EXPECTED)} " in shown


# nothing is lost


def read(bucket: Bucket, **options: Any) -> list[tuple[str, dict[str, bytes]]]:
    dataset = AISShardReader(bucket, **options)
    samples = grouped(dataset)
    if options.get("group") is None:
        assert len(dataset) == len(samples) == len(AISShardReader(bucket, **options))
    return samples


ODD: dict[str, Files] = {
    "same base names": [("a/001.jpg", b"1"), ("b/001.jpg", b"2"), ("b/002.jpg", b"3")],
    "dots in extensions": [("x.png", b"1"), ("x.seg.png", b"2"), ("y.png", b"3"), ("y.seg.png", b"4")],
    "dots in folders": [("v1.0/x.png", b"1"), ("v1.0/y.png", b"2"), ("v2.0/x.png", b"3")],
    "unicode": [("日本/語.ü", b"1"), ("日本/🙂.ü", b"2"), ("é%41+&?#.txt", b"3")],
    "long names": [("l" * 300 + ".x", b"1"), (f"{'d' * 200}/{'e' * 90}.x", b"2")],
    "no samples among others": [
        ("README", b"0"),
        ("x.png", b"1"),
        (".DS_Store", b"2"),
        ("x.cls", b"3"),
        ("d/LIST", b"4"),
    ],
    "empty files": [("x.png", b""), ("x.cls", b""), ("y.png", b"1")],
    "upper case": [("x.JPG", b"1"), ("x.jpg", b"2")],
    "one sample": [("x.png", b"1")],
    "no samples": [("README", b"0"), (".hidden", b"1")],
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_shards(bucket: Bucket, kind: str) -> None:
    # With and without the marker at the end.
    put(bucket, odd=pack(ODD[kind]), odd_too=pack(ODD[kind], end=False), plain=pack(PLAIN["val-0.tar"]))
    expected = read_slowly([ODD[kind], ODD[kind], PLAIN["val-0.tar"]])
    assert read(bucket) == expected
    assert read(bucket, config=ReadConfig(budget=1)) == expected
    assert read(bucket, group="shard") == expected


def test_an_archive_of_nothing(bucket: Bucket) -> None:
    put(bucket, a=pack([]), b=pack([("x.png", b"1")]), c=pack([]))
    assert read(bucket) == [("x", {"png": b"1"})]


def test_names_with_a_leading_dot_are_the_same_without(bucket: Bucket) -> None:
    put(bucket, dots=pack([("./x.png", b"1"), ("./x.cls", b"2"), ("./d/y.png", b"3")]))
    expected = [("x", {"png": b"1", "cls": b"2"}), ("y", {"png": b"3", "cls": b""})]
    assert read(bucket) == expected
    assert read(bucket, config=ReadConfig(budget=1)) == expected


def test_an_object_without_bytes_is_no_shard(bucket: Bucket) -> None:
    put(bucket, a=pack([("x.png", b"1")]), b=b"")
    with pytest.raises(TruncatedShardError, match=r"b\.tar"):
        list(AISShardReader(bucket))


def test_an_empty_bucket_is_warned_of(bucket: Bucket) -> None:
    with pytest.warns(EmptyListingWarning):
        assert list(AISShardReader(bucket)) == []


SCATTERED: Files = [("x.png", b"1"), ("y.png", b"2"), ("x.cls", b"3"), ("y.cls", b"4")]


@pytest.mark.parametrize("indexed_too", [False, True])
def test_scattered_samples_are_an_error_unless_they_are_to_be_gathered(bucket: Bucket, indexed_too: bool) -> None:
    put_all(bucket, indexed("s.tar", SCATTERED) if indexed_too else {"s.tar": pack(SCATTERED)})
    with pytest.raises(ScatteredSampleError, match=r"'x'.*group='shard'") as raised:
        list(AISShardReader(bucket))
    assert raised.value.shard == f"ais://{bucket.name}/s.tar"
    assert raised.value.member == "x.cls"
    for config in (ReadConfig(), SMALL, ReadConfig(budget=1)):
        assert read(bucket, group="shard", config=config) == read_slowly([SCATTERED])


def test_the_same_file_twice_is_an_error(bucket: Bucket) -> None:
    put(bucket, twice=pack([("x.png", b"1"), ("x.cls", b"2"), ("x.png", b"3")]))
    for group in ("adjacent", "shard"):
        with pytest.raises(DuplicateMemberError, match=r"twice\.tar.*x\.png"):
            list(AISShardReader(bucket, group=group))


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1)


COMPRESSORS = {"gz": gz, "lz4": lz4.frame.compress, "zst": zstandard.compress}


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.parametrize("named", [True, False], ids=["named so", "named tar"])
def test_compressed_shards(bucket: Bucket, kind: str, named: bool) -> None:
    compress, suffix = COMPRESSORS[kind], f".tar.{kind}" if named else ".tar"
    put_all(bucket, {shard.replace(".tar", suffix): compress(pack(files)) for shard, files in PLAIN.items()})
    for config in (ReadConfig(), ReadConfig(budget=1)):
        assert read(bucket, config=config) == EXPECTED


def test_zip_shards(bucket: Bucket) -> None:
    shards = {name.replace(".tar", ".zip"): files for name, files in PLAIN.items()}
    # A zip's files are read by name, in the order of their names.
    shards["zip.zip"] = [("a/1.x", b""), ("a/2.x", b"12"), ("b/1.x", b"123"), ("b/1.y", content("y", MIB))]
    put_all(bucket, {name: archives.pack(".zip", files) for name, files in shards.items()})
    put_all(bucket, {"u.tar": pack(PLAIN["val-0.tar"])})
    shards["u.tar"] = PLAIN["val-0.tar"]
    expected = read_slowly(sorted(shards[name]) for name in sorted(shards))
    for config in (ReadConfig(), SMALL, ReadConfig(in_flight=1)):
        assert read(bucket, config=config) == expected


def test_other_archives_are_an_error_that_says_what_can_be_read(bucket: Bucket) -> None:
    put(bucket, bz=b"BZh91AY&SY" + bytes(1000))
    with pytest.raises(ShardError, match=r"bz\.tar.*bzip2.*gzip"):
        list(AISShardReader(bucket))


# what is larger than a chunk, and than the budget

LARGE: dict[str, Files] = {
    "0.tar": [
        ("a.big", content("big", 5 * MIB + 7)),
        ("a.small", b"1"),
        ("b.big", content("b", 2 * MIB)),
        ("c.big", b""),
        ("c.other", content("c", 2 * MIB - 512)),
    ],
    "1.tar": files_of("l", 300, ("x", "y"), 30_000),
    "2.tar": files_of("m", 3, ("z",)),
}


@pytest.fixture(scope="module")
def large(ais: Server) -> Iterator[Bucket]:
    with shard_bucket(ais.client(), LARGE) as bucket:
        yield bucket


@pytest.mark.parametrize("budget", [64 * MIB, 8 * MIB, MIB, 1])
def test_large_members_and_shards(large: Bucket, budget: int) -> None:
    assert grouped(AISShardReader(large, config=ReadConfig(budget=budget))) == read_slowly(LARGE.values())


def test_a_shard_larger_than_the_budget_is_not_held_back(large: Bucket) -> None:
    with listings() as seen:
        samples = iter(AISShardReader(large, {large: "1"}, config=ReadConfig(budget=2 * MIB)))
        name, files = next(samples)
        # What extensions there are is asked of the server.
        assert (name, list(files)) == ("l-000", ["x", "y"])
        assert [value["flags"] for value in seen if value["prefix"] == "1.tar"] == ["8"]
    with listings() as seen:
        assert sum(1 for _ in AISShardReader(large, {large: "1"})) == 300  # list() would ask for its length
        assert not [value for value in seen if value["prefix"] == "1.tar"]


def test_what_the_server_cannot_tell_is_held_back_whatever_its_size(bucket: Bucket) -> None:
    put_all(bucket, {"x.tar.zst": zstandard.compress(pack(LARGE["1.tar"])), "y.tar": gz(pack(LARGE["1.tar"]))})
    expected = read_slowly([LARGE["1.tar"]] * 2)
    assert grouped(AISShardReader(bucket, config=ReadConfig(budget=MIB))) == expected


def test_declared_extensions(large: Bucket, plain: Bucket, with_indices: Bucket) -> None:
    declared = AISShardReader(plain, extensions=["jpg", "cls", "seg", "txt", "npy"])
    assert grouped(declared) == read_slowly(PLAIN.values(), ["jpg", "cls", "seg", "txt", "npy"])
    assert all(list(files) == ["jpg", "cls", "seg", "txt", "npy"] for _, files in declared)
    with listings() as seen:
        samples = iter(AISShardReader(large, extensions=("y", "x"), config=ReadConfig(budget=MIB)))
        assert list(next(samples)[1]) == ["y", "x", "big", "small"]
        assert not [value for value in seen if value["prefix"]]
    # One that was forgotten is in its own sample only.
    for bucket in (plain, with_indices):
        forgotten = grouped(AISShardReader(bucket, {bucket: "train-1"}, extensions=["jpg"]))
        assert [list(files) for _, files in forgotten] == [["jpg"]] * 3 + [["jpg", "seg", "txt"]] * 2


def test_declared_extensions_and_folders(bucket: Bucket) -> None:
    put(bucket, flat=pack([("a/1.x", b"1"), ("b/2.x", b"2")]), same=pack([("1.x", b"1"), ("a/1.x", b"2")]))
    assert read(bucket, extensions=["x"]) == [
        ("1", {"x": b"1"}),
        ("2", {"x": b"2"}),
        ("1", {"x": b"1"}),
        ("a/1", {"x": b"2"}),
    ]


# indices beside the shards


def test_with_indices_samples_are_the_same(with_indices: Bucket) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grouped(AISShardReader(with_indices)) == COMPLETE
        assert grouped(AISShardReader(with_indices, group="shard")) == COMPLETE


def test_with_indices_length_and_extensions_are_known_at_once(ais: Server) -> None:
    with shard_bucket(ais.client(), LARGE, with_indices=True) as bucket, listings() as seen:
        dataset = AISShardReader(bucket, config=ReadConfig(budget=MIB))
        assert len(dataset) == 306
        samples = read_slowly(LARGE.values())
        every = {extension: b"" for _, files in samples for extension in files}
        assert grouped(dataset) == [(name, every | files) for name, files in samples]
        # The bucket is listed, and no archive in it.
        assert [value["prefix"] for value in seen] == [""] * len(seen)


def test_shards_of_the_shard_writer(bucket: Bucket) -> None:
    samples = [(f"d/{number:03}", {"x": content(f"w{number}", number), "y.z": b"%d" % number}) for number in range(40)]
    with ShardWriter(bucket, max_count=15) as writer:
        for key, files in samples:
            writer.write(key, files)
    assert grouped(AISShardReader(bucket)) == [(key[2:], files) for key, files in samples]
    assert len(AISShardReader(bucket)) == 40


@pytest.mark.parametrize("kind", ["of another size", "of other bytes", "damaged", "no index", "empty"])
def test_an_index_that_cannot_be_used_is_warned_of(bucket: Bucket, kind: str) -> None:
    data, other = pack(PLAIN["train-1.tar"]), pack(PLAIN["val-0.tar"])
    turned = pack([(name, bytes(len(body))) for name, body in PLAIN["train-1.tar"]])
    index = index_of("s.tar", data).to_bytes()
    stale = {
        "of another size": index_of("s.tar", other).to_bytes(),
        "of other bytes": index_of("s.tar", turned).to_bytes(),
        "damaged": index[:200] + b"x" + index[201:-40],
        "no index": b"something",
        "empty": b"",
    }[kind]
    put_all(bucket, {"s.tar": data, "s.tar.idx": stale, "t.tar": other})
    dataset = AISShardReader(bucket)
    with pytest.warns(StaleShardIndexWarning, match=r"s\.tar"):
        assert grouped(dataset) == read_slowly([PLAIN["train-1.tar"], PLAIN["val-0.tar"]])
    with pytest.warns(StaleShardIndexWarning, match=r"s\.tar"):
        assert len(AISShardReader(bucket)) == 10


def test_headers_are_compared_and_not_parsed_where_an_index_tells_of_them(bucket: Bucket) -> None:
    data = pack(PLAIN["train-0.tar"])
    for place, unreadable, parsed in ((148, b"?" * 8, False), (0, b"?" * 99, True)):  # the checksum; the name
        damaged = data[:place] + unreadable + data[place + len(unreadable) :]
        index = replace(index_of("s.tar", data), shard_checksum=xxhash.xxh64_intdigest(damaged))
        put_all(bucket, {"s.tar": damaged, "s.tar.idx": index.to_bytes()})
        if not parsed:
            assert grouped(AISShardReader(bucket)) == read_slowly([PLAIN["train-0.tar"]])
        else:
            with pytest.raises(DamagedShardError, match=r"s\.tar"):
                list(AISShardReader(bucket))


def test_indices_of_many_shards_are_read_at_once(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    read = Catalog.indices

    def watching(catalog: Catalog, shards: list[int]) -> Any:
        asked.append(shards)
        return read(catalog, shards)

    monkeypatch.setattr(Catalog, "indices", watching)
    shards = {f"{number:03}.tar": files_of(f"s{number}", 3) for number in range(40)}
    objects: dict[str, bytes] = {}
    for number, (name, files) in enumerate(shards.items()):
        objects |= {name: pack(files)} if number % 7 == 5 else indexed(name, files)
    put_all(bucket, objects)
    assert grouped(AISShardReader(bucket)) == read_slowly(shards.values())
    assert [len(each) for each in asked] == [16, 16, 3]


# damaged shards


def damage(kind: str) -> tuple[bytes, type[ShardError], str]:
    """A damaged shard, the error, and the member that it names."""
    data = pack(PLAIN["val-0.tar"], end=False)
    header = 2 * 1024  # of the third file
    if kind == "header":
        return data[:header] + b"?" + data[header + 1 :], DamagedShardError, ""
    if kind == "cut in a header":
        return data[: header + 100], TruncatedShardError, ""
    if kind == "cut in a content":
        return data[: header + 513], TruncatedShardError, "e-001.jpg"
    if kind == "compressed":
        packed = bytearray(gzip.compress(data, 0))
        packed[len(packed) // 2] ^= 255
        return bytes(packed), DamagedShardError, ""
    return gzip.compress(data)[:-20], TruncatedShardError, ""


@pytest.mark.parametrize("kind", ["header", "cut in a header", "cut in a content", "compressed", "cut compressed"])
@pytest.mark.parametrize("budget", [64 * MIB, 1])
def test_damaged_shards_are_errors_that_say_where(bucket: Bucket, kind: str, budget: int) -> None:
    data, error, member = damage(kind)
    put(bucket, a=pack(PLAIN["train-0.tar"]), b=pack(PLAIN["train-2.tar"]), s=data, t=pack(PLAIN["train-1.tar"]))
    samples = iter(AISShardReader(bucket, config=ReadConfig(budget=budget)))
    found: list[Any] = []
    with pytest.raises(error) as raised:
        found.extend(samples)
    # Those of the shards before have come.
    expected = read_slowly([PLAIN["train-0.tar"], PLAIN["train-2.tar"], PLAIN["val-0.tar"]])
    assert len(found) >= 11
    assert grouped(found) == expected[: len(found)]
    assert raised.value.shard == f"ais://{bucket.name}/s.tar"
    assert raised.value.shard in str(raised.value)
    assert raised.value.member == member
    assert raised.value.offset is not None


@pytest.mark.parametrize("budget", [64 * MIB, 1])
def test_samples_before_the_damage_are_handed_out(bucket: Bucket, budget: int) -> None:
    files = [(f"{number:02}.{extension}", b"%02d" % number) for number in range(9) for extension in "yx"]
    data = pack([*files, ("last.z", b"1")])
    put(bucket, a=pack(PLAIN["train-2.tar"]), s=data[: 1024 * 14 + 100])
    found: list[Any] = []
    samples = AISShardReader(bucket, config=ReadConfig(budget=budget))
    for _ in range(2):  # what was seen of the shard is not believed to be all of it
        with pytest.raises(TruncatedShardError):
            found.extend(iter(samples))  # without asking for the length
    expected = read_slowly([PLAIN["train-2.tar"], files])[: 4 + 6]  # the last one might go on
    assert grouped(found) == 2 * expected
    put(bucket, s=data)
    if budget > 1:  # else it was the server's listing that told
        assert grouped(samples)[4:] == read_slowly([PLAIN["train-2.tar"], [*files, ("last.z", b"1")]])[4:]


def test_damage_is_told_by_its_place_in_the_shard_whoever_reads_from_its_middle(bucket: Bucket) -> None:
    files = [(f"{number:02}.x", b"%02d" % number * 100) for number in range(20)]
    data, header = pack(files), 15 * 1024
    damaged = data[:header] + b"?" + data[header + 1 :]
    index = replace(index_of("s.tar", data), shard_checksum=0)
    put_all(bucket, {"s.tar": damaged, "s.tar.idx": index.to_bytes()})
    found: list[Any] = []
    with pytest.raises(DamagedShardError, match=f"at byte {header}") as raised:
        found.extend(AISShardReader(bucket, rank=1, world_size=2, batch_size=10))
    assert raised.value.offset == header
    assert names(found) == [f"{number:02}" for number in range(10, 14)]  # the one before the damage might go on


def test_an_object_that_is_no_shard_is_an_error(bucket: Bucket) -> None:
    put_all(bucket, {"a.txt": random.Random(0).randbytes(2000)})
    with pytest.raises(ShardError, match=r"a\.txt"):
        list(AISShardReader(bucket))


# arguments


def test_arguments_that_cannot_be_used(plain: Bucket) -> None:
    with pytest.raises(InvalidArgumentError, match="group"):
        list(AISShardReader(plain, group="all"))  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="even"):
        AISShardReader(plain, even="no")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="etl_name"):
        AISShardReader(plain, etl_name=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="buffer"):
        AISShardReader(plain, shuffle=ShuffleConfig(buffer=0))


def test_making_a_dataset_makes_no_request(plain: Bucket) -> None:
    with listings() as seen:
        AISShardReader(plain)
    assert seen == []
