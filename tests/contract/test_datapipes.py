"""The DataPipes: what they list and load, in graphs of torch's own pipes, and in workers."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
import requests
import torch.utils.data
from aistore.sdk import Bucket, Client
from aistore.sdk.etl import ETLConfig
from torch.utils.data import DataLoader, functional_datapipe
from torch.utils.data.datapipes.iter import IterableWrapper
from torch.utils.data.datapipes.utils.common import StreamWrapper
from torch.utils.data.graph import traverse_dps

import aistorch
from aistorch import AISFileLister, AISFileLoader, AISSourceLister
from aistorch.config import ReadConfig, RetryPolicy
from aistorch.datasets.datapipes import functional_form
from aistorch.errors import (
    ArgumentTypeError,
    BucketNotFoundError,
    DataPipesUnavailableError,
    EmptyListingWarning,
    InvalidURLError,
    NoEndpointError,
    ObjectNotFoundError,
    TransformError,
)
from aistorch.server import EmbeddedAIStore
from tests.support.loading import load
from tests.support.objects import ODD_NAMES, content, in_order, new_bucket, put_all

if TYPE_CHECKING:
    from tests.contract.conftest import Server

CONTENTS = {
    **{f"train/{number:03}.bin": content(f"dp{number}", number * 100) for number in range(40)},
    **{f"odd/{name}": content(name, 20) for name in ODD_NAMES},
    "large": content("dp-large", 3 << 20),
}
OTHER_CONTENTS = {f"o{number}": content(f"dp-other{number}", 50) for number in range(7)}
QUICK = ReadConfig(retry=RetryPolicy(attempts=2, backoff=0.01))

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@dataclass(frozen=True)
class Stored:
    endpoint: str
    bucket: Bucket
    other: Bucket

    def urls(self, prefix: str = "") -> list[str]:
        return [f"ais://{self.bucket.name}/{name}" for name, _ in in_order(CONTENTS, prefix)]

    def pairs(self, prefix: str = "") -> list[tuple[str, bytes]]:
        return [(f"ais://{self.bucket.name}/{name}", body) for name, body in in_order(CONTENTS, prefix)]


@pytest.fixture(scope="module")
def stored(ais: Server) -> Iterator[Stored]:
    with new_bucket(ais.client(), CONTENTS) as bucket, new_bucket(ais.client(), OTHER_CONTENTS) as other:
        yield Stored(ais.endpoint, bucket, other)


def read(pairs: Any) -> list[tuple[str, bytes]]:
    return [(url, stream.read()) for url, stream in pairs]


# listing


@pytest.mark.parametrize("ending", ["", "/", "/train", "/train/", "/train/00", "/odd/", "/odd/100%2", "/odd/a?b=c&d"])
def test_prefixes_become_urls(stored: Stored, ending: str) -> None:
    prefix = f"ais://{stored.bucket.name}{ending}"
    expected = stored.urls(ending[1:])
    assert expected
    assert list(AISFileLister(source_datapipe=[prefix], url=stored.endpoint)) == expected


def test_prefixes_are_listed_in_turn(stored: Stored) -> None:
    prefixes = [f"ais://{stored.other.name}", f"ais://{stored.bucket.name}/train/", f"ais://{stored.other.name}/o3"]
    others = [f"ais://{stored.other.name}/{name}" for name in OTHER_CONTENTS]
    expected = [*others, *stored.urls("train/"), others[3]]
    lister = AISFileLister(prefixes, stored.endpoint)
    assert list(lister) == expected
    assert list(lister) == expected
    assert list(AISFileLister(IterableWrapper(prefixes), stored.endpoint)) == expected
    assert list(AISFileLister([], stored.endpoint)) == []


def test_a_prefix_without_objects_is_warned_of(stored: Stored) -> None:
    with pytest.warns(EmptyListingWarning, match="nothing/"):
        assert list(AISFileLister([f"ais://{stored.bucket.name}/nothing/"], stored.endpoint)) == []


def test_all_providers_and_their_short_names() -> None:
    with EmbeddedAIStore(buckets=["aws://one", "gcp://two"]) as server:
        client = server.client()
        put_all(client.bucket("one", "aws"), {"x/1": b"aws"})
        put_all(client.bucket("two", "gcp"), {"x/2": b"gcp"})
        put_all(client.bucket("three").create(), {"x/3": b"ais"})
        prefixes = ["aws://one/x", "gs://two", "ais://three/x/", "s3://one"]
        urls = AISFileLister(prefixes, server.endpoint)
        assert list(urls) == ["aws://one/x/1", "gs://two/x/2", "ais://three/x/3", "s3://one/x/1"]
        expected = [b"aws", b"gcp", b"ais", b"aws"]
        assert [body for _, body in read(AISFileLoader(urls, server.endpoint))] == expected


# loading


def test_urls_become_streams(stored: Stored) -> None:
    loader = AISFileLoader(url=stored.endpoint, source_datapipe=stored.urls())
    assert read(loader) == stored.pairs()
    assert read(loader) == stored.pairs()


def test_objects_of_several_buckets_come_in_order(stored: Stored) -> None:
    mixed = [
        pair
        for pairs in zip(
            stored.pairs("train/")[:7],
            [(f"ais://{stored.other.name}/{name}", body) for name, body in OTHER_CONTENTS.items()],
            strict=True,
        )
        for pair in pairs
    ]
    assert read(AISFileLoader([url for url, _ in mixed], stored.endpoint)) == mixed
    unordered = AISFileLoader([url for url, _ in mixed], stored.endpoint, config=ReadConfig(in_order=False))
    assert sorted(read(unordered)) == sorted(mixed)


def test_objects_are_read_ahead(stored: Stored) -> None:
    taken = []

    def urls() -> Iterator[str]:
        for url in stored.urls("train/"):
            taken.append(url)
            yield url

    samples = iter(AISFileLoader(IterableWrapper(urls(), deepcopy=False), stored.endpoint))
    next(samples)
    assert len(taken) > 4
    assert len(read(samples)) == 39


def test_a_stream_is_a_file(stored: Stored) -> None:
    url, expected = stored.pairs("train/")[-1]
    ((_, stream),) = AISFileLoader([url], stored.endpoint)
    assert isinstance(stream, StreamWrapper)
    assert stream.read(10) == expected[:10]
    assert stream.seek(5) == stream.tell() == 5
    copy = pickle.loads(pickle.dumps(stream))
    for each in (stream, copy):
        assert each.read() == expected[5:]
        assert each.getvalue() == expected
        # As TarArchiveLoader and its like do: a stream within, closed with the last of them.
        inner = StreamWrapper(io.BytesIO(b"inner"), each, name="inner")
        each.autoclose()
        assert not each.closed
        inner.close()
        assert each.closed
    with AISFileLoader([url], stored.endpoint).__iter__().__next__()[1] as stream:
        assert len(stream.read()) == len(expected)
    assert stream.closed
    with pytest.raises(ValueError, match="closed file"):
        stream.read()


def test_what_comes_before_an_error_is_yielded(stored: Stored) -> None:
    urls = stored.urls("train/")[:5]
    missing = f"ais://{stored.bucket.name}/missing"
    failures: list[tuple[Any, type[Exception], str]] = [
        (missing, ObjectNotFoundError, missing),
        (f"ais://{stored.bucket.name}", InvalidURLError, "names a bucket and no object"),
        ("no-url", InvalidURLError, "ais://no-url"),
        (7, ArgumentTypeError, "must be a str"),
    ]
    for bad, kind, text in failures:
        loader: Any = AISFileLoader([*urls, bad, *urls], stored.endpoint, config=QUICK)
        samples = iter(loader)
        assert [url for url, _ in islice(samples, 5)] == urls
        with pytest.raises(kind, match=text):
            next(samples)
    for bad in ("no-url", "ftp://b/x"):
        with pytest.raises(InvalidURLError):
            list(AISFileLister([bad], stored.endpoint))
    with pytest.raises(BucketNotFoundError):
        list(AISFileLister(["ais://not-there/"], stored.endpoint))


def test_an_error_of_the_source_comes_in_its_place(stored: Stored) -> None:
    def urls() -> Iterator[str]:
        yield from stored.urls("train/")[:5]
        raise LookupError("no more")

    samples = iter(AISFileLoader(IterableWrapper(urls(), deepcopy=False), stored.endpoint))
    assert [url for url, _ in islice(samples, 5)] == stored.urls("train/")[:5]
    with pytest.raises(LookupError, match="no more"):
        next(samples)


# arguments


@pytest.mark.parametrize("kind", [AISFileLister, AISFileLoader])
def test_a_bare_url_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a list .* not str: write \['ais://b/p'\]"):
        kind("ais://b/p", "http://localhost:1")
    with pytest.raises(ArgumentTypeError, match="not int"):
        kind(5, "http://localhost:1")


@pytest.mark.parametrize("kind", [AISFileLister, AISFileLoader])
def test_the_endpoint(kind: Any, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIS_ENDPOINT", raising=False)
    with pytest.raises(NoEndpointError, match="AIS_ENDPOINT"):
        kind([])
    monkeypatch.setenv("AIS_ENDPOINT", stored.endpoint)
    assert len(list(kind(stored.urls("train/000")))) == 1


def test_lengths(stored: Stored) -> None:
    urls = stored.urls("train/")
    lister = AISFileLister(urls, stored.endpoint)
    for without in (lister, AISFileLoader(lister, stored.endpoint)):
        with pytest.raises(TypeError):
            len(without)
    assert len(AISFileLister(urls, stored.endpoint, 40)) == 40
    assert len(AISFileLoader(urls, stored.endpoint)) == 40
    assert len(AISFileLoader(lister, stored.endpoint, length=40)) == 40
    assert len(AISFileLoader(AISFileLister(urls, stored.endpoint, 40), stored.endpoint)) == 40


# graphs


@pytest.mark.parametrize(
    ("lists", "loads"), [("list_files_by_ais", "load_files_by_ais"), ("ais_list_files", "ais_load_files")]
)
def test_functional_forms(stored: Stored, lists: str, loads: str) -> None:
    start: Any = IterableWrapper([f"ais://{stored.bucket.name}/train/"])
    urls = getattr(start, lists)(url=stored.endpoint)
    assert type(urls) is AISFileLister
    files = getattr(urls, loads)(url=stored.endpoint, length=40)
    assert type(files) is AISFileLoader
    assert len(files) == 40
    assert read(files) == stored.pairs("train/")
    with pytest.raises(Exception, match="already taken"):
        functional_datapipe(lists)(AISFileLister)


def test_the_graph_can_be_traversed(stored: Stored) -> None:
    start: Any = IterableWrapper([f"ais://{stored.bucket.name}/"])
    urls = start.list_files_by_ais(url=stored.endpoint).shuffle().sharding_filter()
    files = urls.load_files_by_ais(url=stored.endpoint)
    kinds = []
    graph = traverse_dps(files)
    while graph:
        ((pipe, graph),) = graph.values()
        kinds.append(type(pipe).__name__)
    assert kinds == [
        "AISFileLoaderIterDataPipe",
        "ShardingFilterIterDataPipe",
        "ShufflerIterDataPipe",
        "AISFileListerIterDataPipe",
        "IterableWrapperIterDataPipe",
    ]
    assert isinstance(next(iter(traverse_dps(AISFileLoader([], stored.endpoint)).values()))[1], dict)


def ends_in_3(url: str) -> bool:
    return url.endswith("3.bin")


def test_pipes_of_torch_follow(stored: Stored) -> None:
    urls: Any = AISFileLister([f"ais://{stored.bucket.name}/train/00"], stored.endpoint)
    files: Any = AISFileLoader(urls, stored.endpoint)
    assert list(files.read_from_stream()) == [pair for pair in stored.pairs("train/00") if pair[1]]
    assert [len(batch) for batch in files.batch(4)] == [4, 4, 2]
    assert list(urls.filter(ends_in_3)) == stored.urls("train/003")
    shuffled = list(urls.shuffle().set_seed(1))
    assert sorted(shuffled) == stored.urls("train/00")
    assert shuffled != stored.urls("train/00")


def graph_of(stored: Stored) -> Any:
    start: Any = IterableWrapper([f"ais://{stored.bucket.name}/train/", f"ais://{stored.bucket.name}/odd/"])
    urls = start.list_files_by_ais(url=stored.endpoint).shuffle().sharding_filter()
    return urls.load_files_by_ais(url=stored.endpoint)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_in_workers_each_url_comes_once(stored: Stored, workers: int) -> None:
    expected = sorted([*stored.pairs("train/"), *stored.pairs("odd/")])
    files = graph_of(stored)
    orders = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        pairs = read(load(files, workers, "fork", batch_size=7, shuffle=True))
        assert sorted(pairs) == expected
        orders.append(pairs)
    assert orders[0] == orders[1] != orders[2]
    # Without a sharding_filter a worker cannot know that it is not alone: as everywhere in torch.
    plain = AISFileLoader(stored.urls("train/"), stored.endpoint)
    assert len(load(plain, workers, "fork")) == 40 * max(1, workers)


def test_in_workers_that_are_not_forked(second_server: Server) -> None:
    with new_bucket(second_server.client(), CONTENTS) as bucket:
        stored = Stored(second_server.endpoint, bucket, bucket)
        files = graph_of(stored)
        assert len(list(files)) == 40 + len(ODD_NAMES)
        loader = DataLoader(files, batch_size=None, num_workers=1, multiprocessing_context="spawn")
        assert sorted(read(loader)) == sorted([*stored.pairs("train/"), *stored.pairs("odd/")])


# sources of the SDK


def test_sources_become_http_urls(stored: Stored) -> None:
    client = Client(stored.endpoint)
    group = client.bucket(stored.other.name).objects(obj_names=["o3", "o1"])
    cases: list[tuple[Any, list[bytes]]] = [
        ([stored.other], list(OTHER_CONTENTS.values())),
        (stored.other, list(OTHER_CONTENTS.values())),
        ([group, stored.other], [OTHER_CONTENTS["o3"], OTHER_CONTENTS["o1"], *OTHER_CONTENTS.values()]),
    ]
    for sources, expected in cases:
        urls = list(AISSourceLister(sources))
        assert [requests.get(url, timeout=10).content for url in urls] == expected
    assert len(list(AISSourceLister(ais_sources=[stored.bucket], prefix="odd/"))) == len(ODD_NAMES)
    assert list(AISSourceLister([stored.other])) == list(stored.other.list_urls())
    with pytest.raises(ArgumentTypeError, match="AISFileLister lists URLs"):
        AISSourceLister("ais://b")  # type: ignore[arg-type]


def test_source_urls_lead_through_an_etl(stored: Stored) -> None:
    group = stored.other.objects(obj_names=["o1"])
    (named,) = AISSourceLister([group], etl_name="resize-it")
    assert named.endswith("etl_name=resize-it")
    (configured,) = AISSourceLister([group], etl_name=ETLConfig("resize-it", {"width": 3}))
    assert "etl_args=%7B%22width%22%3A3%7D" in configured or "etl_meta=%7B%22width%22%3A3%7D" in configured


def test_objects_are_loaded_through_an_etl() -> None:
    def twice(data: bytes, etl_args: str = "") -> bytes:
        if data == b"bad":
            raise ValueError("cannot be transformed")
        return data * 2

    with EmbeddedAIStore(etls={"double-it": twice}) as server:
        contents = {**OTHER_CONTENTS, "p/bad": b"bad"}
        with new_bucket(server.client(), contents) as bucket:
            doubled = [body * 2 for body in OTHER_CONTENTS.values()]
            urls: Any = AISFileLister([f"ais://{bucket.name}/o"], server.endpoint)
            files = urls.load_files_by_ais(url=server.endpoint, etl_name="double-it")
            assert [body for _, body in read(files)] == doubled
            sources = AISSourceLister([bucket], prefix="o", etl_name="double-it")
            assert [requests.get(url, timeout=10).content for url in sources] == doubled
            bad = f"ais://{bucket.name}/p/bad"
            with pytest.raises(TransformError, match=f"{bad}(.|\n)*cannot be transformed"):
                list(AISFileLoader([bad], server.endpoint, etl_name="double-it", config=QUICK))


# beside other pipes, and without any


def test_pipes_of_an_older_torchdata_register_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "torchdata" / "datapipes"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (package / "iter.py").write_text(
        "from torch.utils.data import IterDataPipe, functional_datapipe\n"
        '@functional_datapipe("list_files_by_ais")\nclass Theirs(IterDataPipe): ...\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(IterableWrapper.functions, "list_files_by_ais")
    with patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchdata"]:
            del sys.modules[name]
        functional_form("list_files_by_ais")(AISFileLister)
        # Imported after ours it would find its name taken, and fail.
        assert importlib.import_module("torchdata.datapipes.iter").Theirs
    start: Any = IterableWrapper([])
    assert type(start.list_files_by_ais("http://localhost:1")) is AISFileLister


def test_without_datapipes_all_else_works(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("datapipes", "object_stream", "file_lister", "file_loader")
    for name in names:
        # Both are put back as they were in the end.
        monkeypatch.setattr(aistorch.datasets, name, getattr(aistorch.datasets, name))
        monkeypatch.delitem(sys.modules, f"aistorch.datasets.{name}")
    for name in [name for name in aistorch.__all__ if "File" in name or "SourceLister" in name]:
        monkeypatch.delitem(vars(aistorch), name, raising=False)
    monkeypatch.delattr(torch.utils.data, "IterDataPipe")
    for name in ("AISFileLister", "AISFileLoader", "AISFileListerIterDataPipe", "AISSourceLister"):
        kind = getattr(aistorch, name)
        monkeypatch.delitem(vars(aistorch), name)
        with pytest.raises(DataPipesUnavailableError, match=r"this torch has none: AISIterDataset\(client_url="):
            kind([], stored.endpoint)
        with pytest.raises(ImportError):
            kind()
    dataset = aistorch.AISIterDataset(client_url=stored.endpoint, urls_list=[f"ais://{stored.other.name}/"])
    assert list(dataset) == in_order(OTHER_CONTENTS)
