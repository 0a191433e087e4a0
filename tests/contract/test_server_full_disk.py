"""A disk that takes no more: a clear 507 at once, and nothing left of what could not be kept."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

RUN = """
import contextlib, resource, sys, time
from pathlib import Path
import requests
from aistore.sdk.errors import AISError
from aistorch.server import EmbeddedAIStore

def refused(call):
    try:
        call()
    except AISError as error:
        assert error.status_code == 507, error
        assert "takes no more" in str(error), error
    else:
        raise SystemExit("stored, on a full disk")

def is_empty(folder):
    deadline = time.monotonic() + 10
    while list(folder.rglob("*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not list(folder.rglob("*"))

root, big = Path(sys.argv[1]), bytes(3 << 20)
with EmbeddedAIStore(root, targets=int(sys.argv[2])) as ais:
    bucket, tmp = ais.client().bucket("b").create(), root / "tmp"
    bucket.object("kept").get_writer().put_content(b"old")

    # PUT, new and over an old object.
    for name in ("new", "kept"):
        refused(lambda: bucket.object(name).get_writer().put_content(big))
        assert is_empty(tmp)
    if len(ais.target_endpoints) == 1:  # else it is redirected, and an iterator cannot be sent again
        assert requests.put(f"{ais.endpoint}/v1/objects/b/new", data=iter([big])).status_code == 507

    # Multipart: one part too large, then parts that are too large together.
    upload = bucket.object("parts").multipart_upload().create()
    upload.add_part(1).put_content(b"one")
    refused(lambda: upload.add_part(2).put_content(big))
    assert is_empty(tmp)
    upload = bucket.object("parts").multipart_upload().create()
    def all_parts():
        for number in (1, 2, 3, 4):
            upload.add_part(number).put_content(bytes(700 << 10))
    refused(all_parts)
    assert is_empty(tmp)

    # Append.
    writer = bucket.object("grown").get_writer()
    handle = writer.append_content(b"one")
    refused(lambda: writer.append_content(big, handle=handle))
    assert is_empty(tmp)

    # What fits goes on working.
    bucket.object("small").get_writer().put_content(b"data")
    assert sorted(entry.name for entry in bucket.list_all_objects()) == ["kept", "small"]
    assert bucket.object("kept").get_reader().read_all() == b"old"
    assert is_empty(tmp)
"""


def run(command: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("targets", ["1", "3"])
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, targets: str) -> None:
    mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"', str(tmp_path)]
    try:
        subprocess.run([*mounted, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here (Linux, `unshare -rm`)")
    run([*mounted, sys.executable, "-c", RUN, str(tmp_path), targets])


def test_a_file_that_may_not_grow_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))\n"
    run([sys.executable, "-c", limited + textwrap.dedent(RUN), str(tmp_path / "data"), "1"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_way_of_being_full_is_known(number: int) -> None:
    from aistorch.server.http_errors import NO_SPACE

    assert number in NO_SPACE
