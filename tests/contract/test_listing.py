"""Listing into an index: each server's answers, whole and sorted, with what they tell of each object."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import pytest
import xxhash

from aistorch.errors import BucketNotFoundError
from aistorch.index import list_request
from aistorch.index.build import build_index
from aistorch.index.listing import list_pages
from aistorch.sources.resolve import Selection, resolve_sources

if TYPE_CHECKING:
    from aistore.sdk import Bucket

    from tests.contract.conftest import Server

ODD_NAMES = ["a b", "100%", "100%25", "a+b", "a#b", "a?b=c&d", "é/ü.jpg", "日本/語.png", "🙂", 'q"uote', "~t", "[1]"]
LONG_NAME = "x" * 300  # over 255 bytes: a real cluster loses some where pages end, all where there is a prefix


def put(bucket: Bucket, names: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: bucket.object(name).get_writer().put_content(name.encode()), names))


@pytest.mark.parametrize("page_size", [0, 3])
def test_all_that_a_listing_tells(ais: Server, bucket: Bucket, page_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_request, "PAGE_SIZE", page_size)
    more = ["dir/a", "dir-a", "dir.a", "dir/b/c", "empty"]
    # With 3 a page the last page is full, and an empty one follows.
    stored = sorted([*ODD_NAMES, *more, "last" if page_size else LONG_NAME], key=str.encode)
    assert len(stored) % 3 == 0
    put(bucket, stored)
    bucket.object("empty").get_writer().put_content(b"")

    index = build_index([Selection(bucket)])

    assert index.names() == stored
    contents = [b"" if name == "empty" else name.encode() for name in stored]
    assert index.sizes.tolist() == [len(content) for content in contents]
    assert [index.checksum(i) for i in range(len(index))] == [xxhash.xxh64_intdigest(content) for content in contents]
    targets = ais.client().cluster().get_info().tmap
    assert {index.target(i) for i in range(len(index))} <= set(targets)


def test_objects_beside_a_directory_of_the_same_name_are_not_lost(bucket: Bucket) -> None:
    # Where a name lies decides whether a server loses it, so that each case is there many times.
    folders = [f"f{number:02d}" for number in range(12)]
    endings = [".txt", "-1", "/b.txt", "/c/d", ""]
    emptied = [f"e{number:02d}" for number in range(12)]
    put(bucket, [folder + ending for folder in folders for ending in endings[:-1]])
    put(bucket, [folder + ending for folder in emptied for ending in ("/b.txt", ".txt", "-1")])
    for folder in emptied:
        bucket.object(f"{folder}/b.txt").delete()

    for folder in folders:
        found = build_index([Selection(bucket, folder)]).names()
        assert found == [f"{folder}-1", f"{folder}.txt", f"{folder}/b.txt", f"{folder}/c/d"]
    for folder in emptied:
        assert build_index([Selection(bucket, folder)]).names() == [f"{folder}-1", f"{folder}.txt"]
    assert len(build_index([Selection(bucket, "f0")])) == 40
    assert build_index([Selection(bucket, "f03/")]).names() == ["f03/b.txt", "f03/c/d"]
    assert build_index([Selection(bucket, "f03/c")]).names() == ["f03/c/d"]


def test_names_beside_a_folder_come_once_wherever_pages_end(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [f"train/{number:02}" for number in range(60)] + [f"train-{number:02}.tar" for number in range(12)]
    stored = sorted([*stored, "train.csv", "train-x/a", "train-x/b", "train-x-1", "val/a", "val.csv", "a"])
    put(bucket, stored)
    for page_size in (1, 7, 20, 50):
        monkeypatch.setattr(list_request, "PAGE_SIZE", page_size)
        for prefix in ("", "train", "train-", "train/", "train-x", "v"):
            expected = [name for name in stored if name.startswith(prefix)]
            assert build_index([Selection(bucket, prefix)]).names() == expected, (page_size, prefix)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_found_by_url(ais: Server, bucket: Bucket, name: str) -> None:
    put(bucket, [name, "other"])
    url = f"ais://{bucket.name}/{name}"
    sources = resolve_sources(None, None, client_url=ais.endpoint, urls_list=url, owner="test")
    assert build_index(sources.selections()).names() == [name]


def test_several_selections(bucket: Bucket) -> None:
    put(bucket, ["a/1", "a/2", "b/1", "c"])
    group = bucket.objects(obj_names=["c", "a/1"])
    index = build_index([Selection(bucket, "b"), Selection(group), Selection(bucket, "a/")])
    assert index.names() == ["b/1", "c", "a/1", "a/1", "a/2"]
    assert index.sources.tolist() == [0, 1, 1, 2, 2]
    assert index.sizes.tolist() == [3, -1, -1, 3, 3]


def test_a_bucket_that_does_not_exist(ais: Server) -> None:
    bucket = ais.client().bucket("no-such-bucket")
    with pytest.raises(BucketNotFoundError, match=f"ais://no-such-bucket does not exist at {ais.endpoint}"):
        next(list_pages(Selection(bucket), 0))


def test_a_forked_worker_lists_with_the_client_of_its_parent(bucket: Bucket) -> None:
    put(bucket, ["a", "b"])
    selection = Selection(bucket)
    index = build_index([selection])

    def list_again(answer: Connection) -> None:
        answer.send(build_index([selection]) == index)

    mine, workers = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=list_again, args=(workers,))
    worker.start()
    assert mine.poll(20)
    assert mine.recv()
    worker.join()
