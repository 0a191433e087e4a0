"""`aistorch shard`, from a folder and from a bucket."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from aistore.sdk import Client
from typer.testing import CliRunner

from aistorch.cli.app import app
from aistorch.cli.sizes import parse_size, show_size
from aistorch.errors import AIStorchError
from tests.cli.command import run

server_module = pytest.importorskip("aistorch.server", reason="the embedded server needs aistorch[server]")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with server_module.EmbeddedAIStore() as server:
        bucket = server.client().bucket("b").create()
        for number in range(4):
            bucket.object(f"raw/{number}.txt").get_writer().put_content(b"raw")
        yield server.endpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    for number in range(6):
        (made / f"{number}.jpg").write_bytes(bytes(2000))
        (made / f"{number}.cls").write_text(str(number))
    (made / "README").write_text("no sample")
    return made


def test_a_folder_goes_all_the_way(endpoint: str, folder: Path) -> None:
    arguments = [str(folder), "ais://b/way", "--endpoint", endpoint, "--max-count", "4"]
    planned = run("shard", *arguments, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.splitlines() == [
        "left out: without an extension: 'README'",
        "way/shard-000000.tar  4 samples  15.4 kB",
        "way/shard-000001.tar  2 samples  8.2 kB",
        "would write 6 samples (12 files) in 2 shards, 23.6 kB, to ais://b/way/",
    ]
    written = run("shard", *arguments, "--verify")
    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines() == [
        "left out: without an extension: 'README'",
        "wrote 6 samples (12 files) in 2 shards, 23.6 kB, to ais://b/way/",
        "verified: all 12 files are as in the source",
    ]
    for step in ("packing: 100%", "verifying: 100%", "6/6"):
        assert step in written.stderr

    again = run("shard", *arguments)
    assert again.returncode == 1
    assert again.stderr.startswith("aistorch: objects that would be written are in ais://b already: 'way/shard-000000")
    arguments[-1] = "6"
    replaced = run("shard", *arguments, "--overwrite", "--shuffle", "--seed", "1", "--verify")
    assert replaced.returncode == 0, replaced.stderr
    assert "left as they were, beside these: 'way/shard-000001.tar', 'way/shard-000001.tar.idx'" in replaced.stdout
    assert "verified: all 12 files" in replaced.stdout


def test_a_bucket_is_packed(endpoint: str) -> None:
    arguments = ["ais://b/raw/", "ais://b/packed", "--max-size", "10kB", "--verify"]
    ended = CliRunner().invoke(app, ["shard", *arguments], env={"AIS_ENDPOINT": endpoint})
    assert ended.exit_code == 0, ended.output
    assert "wrote 4 samples (4 files) in 1 shard, 5.1 kB, to ais://b/packed/" in ended.stdout
    archive = Client(endpoint).bucket("b").object("packed/shard-000000.tar").get_reader().read_all()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == ["0.txt", "1.txt", "2.txt", "3.txt"]


@pytest.mark.parametrize(
    ("source", "destination", "message"),
    [
        ("/no/such/folder", "ais://b/p", "/no/such/folder is no folder: give a folder, or a URL"),
        ("ais://b/nothing/", "ais://b/p", "there is nothing to pack: the source has no files with an extension"),
        ("ais://nowhere", "ais://b/p", "ais://nowhere does not exist"),
        ("ais://b/raw/", "ais://nowhere/p", "ais://nowhere does not exist"),
        ("ais://b/raw/", "ais://b/raw/p", "is part of the source"),
        ("ais://b/raw/", "/tmp/p", "did you mean 'ais://tmp/p'?"),
    ],
)
def test_what_cannot_be_is_told(endpoint: str, source: str, destination: str, message: str) -> None:
    ended = CliRunner().invoke(app, ["shard", source, destination], env={"AIS_ENDPOINT": endpoint})
    assert isinstance(ended.exception, AIStorchError)
    assert message in str(ended.exception)


def test_an_endpoint_is_needed(folder: Path) -> None:
    ended = run("shard", str(folder), "ais://b/p")
    assert ended.returncode == 1
    assert ended.stderr == "aistorch: where is the cluster? Give --endpoint http://host:8080, or set AIS_ENDPOINT\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("256MB", 256_000_000), ("1.5 GiB", 3 << 29), ("2kib", 2048), ("3t", 3 * 10**12), ("7B", 7)],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1XB", "-1", "1 2", "5iB", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no size; write 256MB"):
        parse_size(text)


def test_sizes_for_people() -> None:
    assert [show_size(size) for size in (0, 999, 1000, 12_345_678, 5 * 10**15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "5000.0 TB",
    ]
