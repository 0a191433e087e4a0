"""Links in shards: what they lead to, wherever it stands, or an error that names both."""

from __future__ import annotations

import gzip
import tarfile
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from aistore.sdk import Bucket, DataShard

from aistorch import AISMultiShardStream, AISShardMapDataset, AISShardReader, ReadConfig
from aistorch.errors import BrokenLinkError, ShardError, StaleShardIndexWarning, TrailingDataWarning
from aistorch.shards.catalog import Catalog
from tests.support.objects import content, put_all
from tests.support.shards import grouped, index_of
from tests.support.tars import archive, pack, regular, special

if TYPE_CHECKING:
    from tests.contract.conftest import Server

A, B, LARGE = b"picture A", b"picture B", content("large", 5 << 20)
LONG = "folder/" * 20


def file(name: str, body: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return regular(name, body), body


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return special(name, tarfile.LNKTYPE, target), b""


def symbolic(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return special(name, tarfile.SYMTYPE, target), b""


LINKED = [
    file("./0.jpg", A),
    file("0.cls", b"0"),
    symbolic("latest", "."),
    hard("1.jpg", "./0.jpg"),
    file("1.cls", b"1"),
    file("2.cls", b"2"),
    symbolic("2.jpg", "more/2.jpg"),  # stands further behind
    symbolic("3.jpg", "2.jpg"),
    hard("3.cls", "2.cls"),
    file("more/2.jpg", B),
    symbolic("more/2.cls", "../0.cls"),
    file(f"{LONG}4.jpg", LARGE),
    hard(f"{LONG}4.cls", "1.cls"),
    hard("5.jpg", f"{LONG}4.jpg"),
    file("5.cls", b"5"),
]
EXPECTED = [
    ("0", A, b"0"),
    ("1", A, b"1"),
    ("2", B, b"2"),
    ("3", B, b"2"),
    ("more/2", B, b"0"),
    (f"{LONG}4", LARGE, b"1"),
    ("5", LARGE, b"5"),
]


def triples(samples: Any) -> list[tuple[str, bytes, bytes]]:
    return [(name, files["jpg"], files["cls"]) for name, files in samples]


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("options", [{}, {"extensions": ["jpg", "cls"]}, {"group": "shard"}])
def test_a_stream_has_what_links_lead_to(bucket: Bucket, tar_format: Any, options: dict[str, Any]) -> None:
    data = archive(LINKED, tar_format)
    put_all(bucket, {"s.tar": data, "t.tar": gzip.compress(data, 1)})
    for config in (ReadConfig(), ReadConfig(budget=1)):
        if config.budget == 1:  # too little for what is held of a compressed shard
            bucket.object("t.tar").delete()
        found = triples(AISShardReader(bucket, config=config, **options))
        assert found == EXPECTED * (len(found) // len(EXPECTED))
        assert len(found) == len(EXPECTED) * (2 if config.budget > 1 else 1)


def test_a_map_has_what_links_lead_to(bucket: Bucket) -> None:
    put_all(bucket, {"s.tar": archive(LINKED)})
    dataset = AISShardMapDataset(bucket)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert triples(dataset[number] for number in range(len(dataset))) == EXPECTED
        assert triples(dataset.__getitems__(list(range(len(dataset))))) == EXPECTED


def test_an_index_without_links_is_stale_where_the_shard_has_some(bucket: Bucket) -> None:
    data = archive(LINKED)
    without = index_of("s.tar", pack([(info.name, body) for info, body in LINKED if info.isreg()]))
    put_all(bucket, {"s.tar": data, "s.tar.idx": without.to_bytes()})
    with pytest.warns(StaleShardIndexWarning):
        assert triples(AISShardReader(bucket)) == EXPECTED
    with pytest.warns(StaleShardIndexWarning):
        dataset = AISShardMapDataset(bucket)
    assert triples(dataset[number] for number in range(len(dataset))) == EXPECTED


def test_an_index_may_tell_what_links_lead_to(bucket: Bucket) -> None:
    data = archive(LINKED)
    put_all(bucket, {"s.tar": data})
    (index,) = Catalog(AISShardMapDataset(bucket)._reader, AISShardMapDataset(bucket).index).all_indices()
    put_all(bucket, {"s.tar.idx": index.to_bytes()})
    assert triples(AISShardReader(bucket)) == EXPECTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = AISShardMapDataset(bucket)
        assert triples(dataset[number] for number in range(len(dataset))) == EXPECTED


@pytest.mark.parametrize(
    "link",
    [
        hard("1.jpg", "gone.jpg"),
        symbolic("1.jpg", "../0.jpg"),
        symbolic("1.jpg", "/etc/passwd"),
        symbolic("1.jpg", "1.jpg"),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error_that_names_both(ais: Server, bucket: Bucket, link: Any) -> None:
    put_all(bucket, {"s.tar": archive([file("0.jpg", A), link])})
    rows = [DataShard(client_url=ais.endpoint, bucket_name=bucket.name, prefix="s")]
    for read in (
        lambda: grouped(AISShardReader(bucket)),
        lambda: AISShardMapDataset(bucket),
        lambda: [*iter(AISMultiShardStream(rows))],
    ):
        with pytest.raises(BrokenLinkError, match=rf"s\.tar.*'1\.jpg'.*leads to '{link[0].linkname}'"):
            read()


def test_links_to_more_than_can_be_held_of_a_compressed_shard_are_an_error(bucket: Bucket) -> None:
    put_all(bucket, {"s.tgz": gzip.compress(archive(LINKED), 1)})
    with pytest.raises(ShardError, match=r"s\.tgz.*links lead to .* bytes.*--hard-dereference"):
        list(AISShardReader(bucket, config=ReadConfig(budget=1 << 20), extensions=["jpg", "cls"]))


def test_files_side_by_side_count_links(ais: Server, bucket: Bucket) -> None:
    images = [file("0.jpg", A), hard("1.jpg", "0.jpg"), symbolic("2.jpg", "0.jpg"), file("3.jpg", B)]
    put_all(bucket, {"m/0.tar": archive(images), "n/0.tar": pack([(f"{n}.cls", b"%d" % n) for n in range(4)])})
    rows = [DataShard(client_url=ais.endpoint, bucket_name=bucket.name, prefix=prefix) for prefix in ("m/", "n/")]
    expected = [(A, b"0"), (A, b"1"), (A, b"2"), (B, b"3")]
    assert [*iter(AISMultiShardStream(rows))] == expected
    assert list(AISMultiShardStream(rows)) == expected
    assert len(AISMultiShardStream(rows)) == 4
    parts = [AISMultiShardStream(rows, rank=rank, world_size=2) for rank in range(2)]
    assert [sample for part in parts for sample in part] == expected


def test_shards_with_links_are_dealt_whole_or_told(bucket: Bucket) -> None:
    only_links = [file("0.jpg", A), *(hard(f"{number}.jpg", "0.jpg") for number in range(1, 8))]
    put_all(bucket, {"s.tar": archive(only_links)})
    found = []
    try:
        for rank in range(2):
            found += grouped(AISShardReader(bucket, rank=rank, world_size=2))
    except ShardError as error:
        told = str(error)
    else:
        told = ""
    assert "links, which AIStore does not count" in told or [name for name, _ in found] == [str(n) for n in range(8)]


# what stands behind the end


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("beside", [False, True])
def test_a_second_archive_behind_the_first_is_told(bucket: Bucket, compress: Any, beside: bool) -> None:
    first, second = pack([("0.jpg", A)]), pack([("1.jpg", B)])
    data = compress(first) + compress(second)
    put_all(bucket, {"s.tar": data} | ({"s.tar.idx": index_of("s.tar", data).to_bytes()} if beside else {}))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert [name for name, _ in AISShardReader(bucket)] == ["0"]
    texts = [str(each.message) for each in warned if issubclass(each.category, TrailingDataWarning)]
    assert any("s.tar: at byte 2048, behind the end of the archive" in text for text in texts)
