"""Archives as the usual programs write them are read as `tarfile` reads them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from aistorch.shards.tar_contents import NO_RANGE
from tests.support.tars import read, view

BSDTAR = shutil.which("bsdtar")
CUTS = range(0, 1 << 22, 9973)


def _gnu_tar() -> str | None:
    for name in ("gtar", "tar"):
        path = shutil.which(name)
        if path and "GNU" in subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout:
            return path
    return None


GNU_TAR = _gnu_tar()
needs_gnu_tar = pytest.mark.skipif(GNU_TAR is None, reason="GNU tar is not installed")
needs_bsdtar = pytest.mark.skipif(BSDTAR is None, reason="bsdtar is not installed (package libarchive-tools)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of several sizes, long and foreign names, links, and one with holes."""
    root, rng = tmp_path / "files", random.Random(5)
    (root / "sub" / "empty").mkdir(parents=True)
    for number, size in enumerate([0, 1, 511, 512, 513, 10_000, 300_000]):
        (root / "sub" / f"{number:06}.jpg").write_bytes(rng.randbytes(size))
        (root / "sub" / f"{number:06}.seg.png").write_bytes(rng.randbytes(size // 2))
    (root / "äöü 文件.txt").write_bytes(b"unicode")
    deep = root / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    (deep / ("f" * 120 + ".txt")).write_bytes(b"deep")
    (deep / "short.txt").write_bytes(b"fits into a prefix")
    (root / "symbolic.jpg").symlink_to("sub/000001.jpg")
    (root / "hard.jpg").hardlink_to(root / "sub" / "000005.jpg")
    with (root / "holes.bin").open("wb") as file:
        for number in range(40):
            file.seek(number * 65536 + 8192)
            file.write(rng.randbytes(4096))
        file.truncate(41 * 65536)
    return root


def made(folder: Path, program: str | None, *options: str) -> bytes:
    target = folder.parent / "made.tar"
    subprocess.run([str(program), *options, "-cf", str(target), "-C", str(folder), "."], check=True)
    return target.read_bytes()


def check(data: bytes, folder: Path) -> None:
    found = read(data, CUTS)
    assert found == view(data)
    contents = {name: content for name, content, _ in found}
    linked = {"hard.jpg", "sub/000005.jpg"}  # whichever of two hard links comes second has no content
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and name not in linked:
            assert contents[name] == path.read_bytes(), name
    assert len(linked & contents.keys()) == 1
    assert "symbolic.jpg" not in contents


@needs_gnu_tar
@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=oldgnu"],
        ["--format=posix"],
        ["--format=gnu", "--sparse"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0"],
    ],
    ids=" ".join,
)
def test_gnu_tar(folder: Path, options: list[str]) -> None:
    data = made(folder, GNU_TAR, *options)
    check(data, folder)
    assert ("--sparse" in options) == any(offset == NO_RANGE for _, _, offset in read(data))


@needs_gnu_tar
@pytest.mark.parametrize("tar_format", ["ustar", "v7"])
def test_gnu_tar_in_formats_with_short_names(folder: Path, tar_format: str) -> None:
    for path in folder.glob("d*"):
        shutil.rmtree(path)
    check(made(folder, GNU_TAR, f"--format={tar_format}"), folder)


@needs_bsdtar
@pytest.mark.parametrize("options", [[], ["--format=pax"], ["--format=gnutar"]], ids=str)
def test_bsdtar(folder: Path, options: list[str]) -> None:
    check(made(folder, BSDTAR, *options), folder)


@needs_bsdtar
def test_bsdtar_in_ustar(folder: Path) -> None:
    for path in folder.glob("d*/e*/f*"):
        path.unlink()
    check(made(folder, BSDTAR, "--format=ustar"), folder)


def test_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    rng = random.Random(6)
    samples = [
        {
            "__key__": f"train/{number:05}",
            "jpg": rng.randbytes(3000 + number),
            "cls": number % 10,
            "json": {"n": number},
        }
        for number in range(50)
    ]
    target = tmp_path / "s.tar"
    with webdataset.TarWriter(str(target)) as writer:
        for sample in samples:
            writer.write(sample)
    data = target.read_bytes()
    found = read(data, CUTS)
    assert found == view(data)
    assert len(found) == 150
    contents = {name: content for name, content, _ in found}
    assert all(contents[f"{sample['__key__']}.jpg"] == sample["jpg"] for sample in samples)
