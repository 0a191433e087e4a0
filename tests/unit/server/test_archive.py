"""Reading, writing and selecting from archives, held against those of the standard library."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistorch.server.archive import damage_named, find_member, list_members, open_archive
from aistorch.server.archive_formats import (
    ArchiveFormat,
    InvalidMemberName,
    MemberMissing,
    NotAnArchiveError,
    UnknownFormatError,
    detect_format,
    format_of_mime,
)
from aistorch.server.archive_select import (
    make_matcher,
    select_members,
    without_last_extension,
)
from aistorch.server.archive_write import PIECE, Entry, ShortMemberError, stream_archive
from aistorch.server.regex_process import InvalidSelection
from aistorch.server.tar_index import MAX_TARS, tar_index
from tests.support.archives import Members, unpack

FORMATS = [ArchiveFormat.TAR, ArchiveFormat.TGZ, ArchiveFormat.ZIP]

names = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\\"), min_size=1, max_size=150
).filter(lambda name: not name.endswith("/"))
contents = st.binary(max_size=2000)


def pack(form: ArchiveFormat, members: Members) -> bytes:
    return b"".join(stream_archive(form, (Entry(n, len(c), io.BytesIO(c)) for n, c in members)))


@pytest.mark.parametrize("form", FORMATS)
@given(members=st.lists(st.tuples(names, contents), max_size=6))
def test_what_is_written_is_read_back(form: ArchiveFormat, members: Members) -> None:
    assert unpack(form.value, pack(form, members)) == members


@pytest.mark.parametrize("form", FORMATS)
def test_large_members_pass_in_bounded_pieces(form: ArchiveFormat) -> None:
    content = bytes(range(256)) * (8 * PIECE // 256) + b"end"
    pieces = list(stream_archive(form, [Entry("big", len(content), io.BytesIO(content)), Entry("empty", 0)]))
    assert unpack(form.value, b"".join(pieces)) == [("big", content), ("empty", b"")]
    assert max(map(len, pieces)) <= 3 * PIECE


def test_a_source_that_ends_early_is_an_error() -> None:
    with pytest.raises(ShortMemberError, match="short ended 3 bytes early"):
        list(stream_archive(ArchiveFormat.TAR, [Entry("short", 5, io.BytesIO(b"ab"))]))


def test_entries_are_asked_for_one_at_a_time() -> None:
    open_now, most = 0, 0

    class Source(io.BytesIO):
        def __init__(self, data: bytes) -> None:
            nonlocal open_now, most
            super().__init__(data)
            open_now += 1
            most = max(most, open_now)

        def close(self) -> None:
            nonlocal open_now
            open_now -= not self.closed
            super().close()

    list(stream_archive(ArchiveFormat.TAR, (Entry(str(i), 3, Source(b"abc")) for i in range(50))))
    assert (open_now, most) == (0, 1)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["no-extension", "shard"])
def test_a_shard_is_read_in_stored_order(form: ArchiveFormat, name: str) -> None:
    members = [("a/k1.jpg", b"one"), ("a/k1.cls", b"7"), ("b", b"")]
    file = io.BytesIO(pack(form, members))
    with file, open_archive(file, name + ("" if name == "no-extension" else form.value)) as archive:
        assert [(m.name, archive.open(m).read()) for m in archive] == members


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_sizes_are_listed_by_extension(form: ArchiveFormat) -> None:
    file = io.BytesIO(pack(form, [("x/b", b"12345"), ("x/a", b"")]))
    assert list(list_members(file, "s" + form.value)) == [("x/b", 5), ("x/a", 0)]
    with pytest.raises(NotAnArchiveError, match=r"s\.bin has no extension"):
        list(list_members(file, "s.bin"))


def test_directories_and_links_are_no_members() -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folder, link, plain = tarfile.TarInfo("d"), tarfile.TarInfo("l"), tarfile.TarInfo("d/f")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "d/f"
        for info in (folder, link, plain):
            tar.addfile(info)
    file = io.BytesIO(data.getvalue())
    with open_archive(file, "s.tar") as archive:
        assert [(member.name, member.size) for member in archive] == [("d/f", 0)]


@pytest.mark.parametrize("form", FORMATS)
def test_the_first_of_duplicates_wins_and_a_leading_slash_does_not_count(form: ArchiveFormat) -> None:
    file = io.BytesIO(pack(form, [("/k", b"first"), ("k", b"second"), ("other", b"")]))
    for asked in ("k", "/k"):
        with open_archive(file, "s" + form.value) as archive:
            assert archive.open(find_member(archive, asked, "s")).read() == b"first"
    file.close()


@pytest.mark.parametrize("asked", ["./x", "a/../x", "x/", "~/x", "."])
def test_names_that_cannot_be_asked_for(asked: str) -> None:
    file = io.BytesIO(pack(ArchiveFormat.TAR, [("./x", b"")]))
    with file, open_archive(file, "s.tar") as archive, pytest.raises(InvalidMemberName):
        find_member(archive, asked, "s.tar")


def test_a_missing_member_names_the_shard() -> None:
    file = io.BytesIO(pack(ArchiveFormat.TAR, [("./x", b"")]))
    missing = pytest.raises(MemberMissing, match=r"x in ais://b/s\.tar does not exist")
    with file, open_archive(file, "s.tar") as archive, missing:
        find_member(archive, "x", "ais://b/s.tar")


@pytest.mark.parametrize("name", ["s.tar", "s.tgz", "s.tar.gz", "s.zip", "s"])
@pytest.mark.parametrize("data", [b"certainly no archive" * 100, b""])
def test_other_objects_are_no_archives(name: str, data: bytes) -> None:
    file = io.BytesIO(data)
    with file, pytest.raises(NotAnArchiveError, match="ais://b/s"):
        open_archive(file, f"ais://b/{name}")


@given(cut=st.integers(0, 3000), form=st.sampled_from(FORMATS))
def test_a_torn_archive_never_raises_anything_else(cut: int, form: ArchiveFormat) -> None:
    data = pack(form, [(f"m{i}", bytes([i]) * 700) for i in range(4)])[:cut]
    with (
        contextlib.suppress(NotAnArchiveError),
        damage_named("s"),
        open_archive(io.BytesIO(data), f"s{form.value}") as archive,
    ):
        assert len(list(archive)) <= 4


def test_formats_are_known_by_mime_then_name_then_content() -> None:
    tar, gzip = pack(ArchiveFormat.TAR, [("x", b"")]), pack(ArchiveFormat.TGZ, [])
    assert detect_format("s.zip", tar, mime="application/x-tar") is ArchiveFormat.TAR
    assert detect_format("s.zip", tar) is ArchiveFormat.ZIP
    assert detect_format("s", tar) is ArchiveFormat.TAR
    assert detect_format("s.bin", gzip) is ArchiveFormat.TGZ
    assert [format_of_mime(m) for m in (".tar", "tar", ".tar.gz", "application/zip", ".tar.lz4")] == [
        ArchiveFormat.TAR,
        ArchiveFormat.TAR,
        ArchiveFormat.TGZ,
        ArchiveFormat.ZIP,
        ArchiveFormat.TAR_LZ4,
    ]
    with pytest.raises(UnknownFormatError, match=r"'\.rar'"):
        format_of_mime(".rar")


@pytest.mark.parametrize(
    ("mode", "pattern", "matching"),
    [
        ("regexp", r"k\d\.jpg$", ["a/k1.jpg"]),
        ("regexp", "", ["a/k1.jpg", "a/k1.cls", "a/k1.seg.png", "./b"]),
        ("prefix", "a/k1.", ["a/k1.jpg", "a/k1.cls", "a/k1.seg.png"]),
        ("suffix", ".cls", ["a/k1.cls"]),
        ("substr", "seg", ["a/k1.seg.png"]),
        ("substr", "*", ["a/k1.jpg", "a/k1.cls", "a/k1.seg.png", "./b"]),
        ("wdskey", "a/k1", ["a/k1.jpg", "a/k1.cls"]),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_selections_come_as_tar_with_stored_names(
    form: ArchiveFormat, mode: str, pattern: str, matching: list[str]
) -> None:
    members = [(name, name.encode()) for name in ("a/k1.jpg", "a/k1.cls", "a/k1.seg.png", "./b")]
    file = io.BytesIO(pack(form, members))
    with file, open_archive(file, "s" + form.value) as archive, make_matcher(mode, pattern) as matches:
        data = b"".join(select_members(archive, matches, "s"))
    assert unpack(".tar", data) == [(name, name.encode()) for name in matching]


def test_selecting_nothing_is_known_at_once() -> None:
    file = io.BytesIO(pack(ArchiveFormat.TAR, [("x", b"")]))
    with (
        file,
        open_archive(file, "s.tar") as archive,
        make_matcher("prefix", "y") as matches,
        pytest.raises(MemberMissing, match="ais://b/s"),
    ):
        select_members(archive, matches, "ais://b/s.tar")


@pytest.mark.parametrize(("mode", "pattern"), [("glob", "*"), ("", "x"), ("regexp", "(")])
def test_selections_that_cannot_be(mode: str, pattern: str) -> None:
    with pytest.raises(InvalidSelection):
        make_matcher(mode, pattern)


def test_the_key_of_a_name() -> None:
    keys = {"a/k.jpg": "a/k", "a/k.seg.png": "a/k.seg", "a.b/k": "a.b/k", "/k.x": "k", "k": "k"}
    assert {name: without_last_extension(name) for name in keys} == keys


@given(members=st.lists(st.tuples(names, contents), max_size=6), data=st.data())
def test_an_index_finds_what_a_search_finds(members: Members, data: st.DataObject) -> None:
    packed = pack(ArchiveFormat.TAR, members)
    index = tar_index(packed, io.BytesIO(packed), "s")
    assert index is not None
    for name, _ in members:
        with open_archive(io.BytesIO(packed), "s.tar") as archive:
            found = next(m for m in archive if m.name.removeprefix("/") == name.removeprefix("/"))
            offset, size = index.find(name)
            assert packed[offset : offset + size] == archive.open(found).read()
    with pytest.raises(MemberMissing):
        index.find(data.draw(names.filter(lambda name: name not in dict(members))) + "-none")


def test_few_indexes_are_remembered_and_none_of_very_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aistorch.server.tar_index.MAX_MEMBERS", 3)
    large = io.BytesIO(pack(ArchiveFormat.TAR, [(str(i), b"") for i in range(4)]))
    assert tar_index("large", large, "s") is None
    small = io.BytesIO(pack(ArchiveFormat.TAR, [("x", b"")]))
    first = tar_index(0, small, "s")
    assert tar_index(0, io.BytesIO(b"not looked at"), "s") is first
    for number in range(MAX_TARS):
        tar_index(number + 1, small, "s")
    assert tar_index(0, io.BytesIO(b"looked at"), "s") is None
