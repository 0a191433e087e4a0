"""The folder of the embedded server: for its owner alone, and robust against what others put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aistorch.server import EmbeddedAIStore, ServerStartError


def open_to_others(root: Path) -> list[str]:
    paths = [root, *root.rglob("*")]
    return [str(path) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()]


@pytest.fixture(autouse=True)
def _generous_umask() -> object:
    old = os.umask(0)
    yield
    os.umask(old)


def test_everything_is_for_the_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "new" / "data"
    with EmbeddedAIStore(root, buckets=["ais://declared"]) as ais:
        client = ais.client()
        bucket = client.bucket("b").create()
        bucket.object("put").get_writer().put_content(b"data")
        bucket.object("custom").get_writer().put_content(b"data")
        bucket.object("custom").get_writer().set_custom_props({"k": "v"})
        upload = bucket.object("parts").multipart_upload().create()
        upload.add_part(2).put_content(b"waits")
        bucket.object("grown").get_writer().append_content(b"begun")
        assert len(list((root / "tmp").rglob("*"))) >= 3
        client.job(bucket.copy(client.bucket("copied").create())).wait()
        bucket.rename("renamed")
        assert open_to_others(root) == []
    assert open_to_others(root) == []


def test_a_folder_that_was_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    with EmbeddedAIStore(tmp_path, buckets=["ais://b"]) as ais:
        ais.client().bucket("b").object("o").get_writer().put_content(b"data")
    for path in tmp_path.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    tmp_path.chmod(0o755)
    torn = next(tmp_path.glob("buckets/*/*/b/objects/*")) / ("0" * 32)
    torn.write_bytes(b"torn")
    with EmbeddedAIStore(tmp_path) as ais:
        assert ais.client().bucket("b").object("o").get_reader().read_all() == b"data"
        assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [b"torn"]
        assert open_to_others(tmp_path) == []


def test_the_temporary_folder_is_for_the_owner_alone() -> None:
    with EmbeddedAIStore() as ais:
        assert open_to_others(ais.dir) == []


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ServerStartError, match=r"thesis\.txt.*choose another"):
        EmbeddedAIStore(tmp_path).start()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_others_put_there_neither_stops_a_start_nor_is_moved(tmp_path: Path) -> None:
    root, outside = tmp_path / "data", tmp_path / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_bytes(b"mine")
    with EmbeddedAIStore(root, buckets=["ais://b"]) as ais:
        for name in ("o", "p"):
            ais.client().bucket("b").object(name).get_writer().put_content(name.encode())
    (bucket,) = root.glob("buckets/*/*/b")
    objects = bucket / "objects"
    first = sorted(objects.iterdir())[0]
    (objects / "zz").symlink_to(outside)
    (objects / "dangling").symlink_to(outside / "nothing")
    (objects / "loop").symlink_to(objects / "loop")
    (objects / "a file").write_bytes(b"x")
    (first / "linked").symlink_to(outside / "photo.jpg")
    (first / "folder" / "deep").mkdir(parents=True)
    os.mkfifo(first / "pipe")
    (bucket.parent / "bad name!").mkdir()
    (bucket.parent / "bad name!" / "bucket.json").write_text("{}")
    (bucket.parent / "no-bucket").mkdir()
    (root / "buckets" / "stray").mkdir()
    other = root / "buckets" / "nowhere" / "x" / "y"
    other.mkdir(parents=True)
    (other / "bucket.json").write_text("{}")
    (root / "tmp" / "left").mkdir()
    (root / "notes.txt").write_text("mine")

    before = sorted(path for path in tmp_path.rglob("*") if root / "tmp" not in path.parents)
    with EmbeddedAIStore(root) as ais:
        assert [entry.name for entry in ais.client().bucket("b").list_all_objects()] == ["o", "p"]
        assert [found.name for found in ais.client().cluster().list_buckets()] == ["b"]
        assert ais.client().bucket("b").object("o").get_reader().read_all() == b"o"
    assert (outside / "photo.jpg").read_bytes() == b"mine"
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_objects_behind_a_symbolic_link_count(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    with EmbeddedAIStore(root, buckets=["ais://b"]) as ais:
        ais.client().bucket("b").object("o").get_writer().put_content(b"data")
    (folder,) = root.glob("buckets/*/*/b/objects/*")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with EmbeddedAIStore(root) as ais:
        assert ais.client().bucket("b").object("o").get_reader().read_all() == b"data"
