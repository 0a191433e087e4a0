"""`aistorch serve` as users run it: a process, stopped by a signal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from aistore.sdk import Client
from aistore.sdk.etl import ETLConfig

from tests.cli.command import run, start


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running process and its endpoint."""
    with start("serve", "--port", "0", *options, **environment) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            if found is None:
                process.kill()
                pytest.fail(f"no endpoint was printed: {process.communicate()}")
            yield process, found[0]
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_end(number: signal.Signals, tmp_path: Path) -> None:
    with serving(TMPDIR=str(tmp_path)) as (process, endpoint):
        bucket = Client(endpoint).bucket("photos").create()
        bucket.object("a").get_writer().put_content(b"content")
        assert bucket.object("a").get_reader().read_all() == b"content"
        assert list(tmp_path.iterdir()) != []
        end(process, number)
    address = urlsplit(endpoint)
    with socket.socket() as probe:
        assert probe.connect_ex((str(address.hostname), address.port or 0)) != 0
    assert list(tmp_path.iterdir()) == [], "the temporary folder is gone"


def test_keeps_what_it_has_in_the_folder_it_is_given(tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    with serving("--dir", folder) as (process, endpoint):
        Client(endpoint).bucket("photos").create().object("a").get_writer().put_content(b"content")
        end(process)
    with serving("--dir", folder) as (process, endpoint):
        assert Client(endpoint).bucket("photos").object("a").get_reader().read_all() == b"content"
        end(process)


def test_has_the_targets_and_buckets_asked_for() -> None:
    options = ("--targets", "3", "--bucket", "aws://mine", "--bucket", "ais://photos")
    with serving(*options) as (process, endpoint):
        cluster = Client(endpoint).cluster()
        assert len(cluster.get_info().tmap) == 3
        assert [each.name for each in cluster.list_buckets("aws")] == ["mine"]
        assert [each.name for each in cluster.list_buckets("ais")] == ["photos"]
        end(process)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run("serve", "--port", port)
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("typo", "named"), [("aws:/mine", "aws:/mine"), ("nowhere://mine", "nowhere"), ("ais://..", "..")]
)
def test_a_bucket_that_cannot_be_is_named(typo: str, named: str) -> None:
    ended = run("serve", "--port", "0", "--bucket", typo)
    assert ended.returncode == 1
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own, in the folder from which the command is started."""
    (tmp_path / "mine.py").write_text("def tail(data, etl_args): return data[int(etl_args):]\nnot_one = 5\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("module")
def test_runs_etls_of_the_user_s_own(number: signal.Signals) -> None:
    with serving("--etl", "tail-of=mine:tail", "--etl", "packed=zlib:compress") as (process, endpoint):
        made = Client(endpoint).bucket("photos").create().object("a")
        made.get_writer().put_content(b"content")
        assert made.get_reader(etl=ETLConfig("tail-of", "3")).read_all() == b"tent"
        assert zlib.decompress(bytes(made.get_reader(etl=ETLConfig("packed")).read_all())) == b"content"
        end(process, number)


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("mine:tail", "NAME=package.module:function"),
        ("tail-of=mine", "package.module:function"),
        ("tail=mine:tail", "too short"),
        ("tail-of=mine:none", "none"),
        ("tail-of=no_such_module:tail", "no_such_module"),
        ("tail-of=mine:not_one", "5 is no function"),
    ],
)
@pytest.mark.usefixtures("module")
def test_an_etl_that_cannot_be_is_named(option: str, named: str) -> None:
    ended = run("serve", "--port", "0", "--etl", option)
    assert ended.returncode == 1
    assert named in ended.stderr
    assert (ended.stdout, "Traceback" in ended.stderr) == ("", False)


def test_code_of_clients_is_run_with_leave_only() -> None:
    message = {"name": "of-client", "runtime": {"image": "any"}}
    for options, status in (((), 403), (("--allow-code",), 501)):
        with serving(*options) as (process, endpoint):
            assert requests.put(f"{endpoint}/v1/etl", json=message, timeout=20).status_code == status
            end(process)


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_packages_it_says_which_extra_to_install(package: str) -> None:
    ended = run("serve", without=package)
    assert ended.returncode == 1
    assert ended.stderr == "aistorch: the command aistorch needs the extra 'cli': pip install 'aistorch[cli]'\n"


def test_without_the_servers_packages_it_says_which_extra_to_install() -> None:
    ended = run("serve", without="aiohttp")
    assert ended.returncode == 1
    assert "pip install 'aistorch[server]'" in ended.stderr
    assert "Traceback" not in ended.stderr
