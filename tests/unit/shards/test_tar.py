"""`TarStream` held against Python's `tarfile`, wherever the chunks are cut."""

from __future__ import annotations

import tarfile
import tracemalloc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aistorch.errors import DamagedShardError
from aistorch.shards.tar import Entry, TarHeaders, TarStream
from aistorch.shards.tar_contents import NO_RANGE, File
from aistorch.shards.tar_links import Link
from tests.support.tars import (
    FORMATS,
    TarFormat,
    archive,
    chunks,
    expanded,
    fed,
    member,
    pack,
    pax_header,
    pax_record,
    read,
    regular,
    sparse_gnu,
    sparse_pax,
    special,
    view,
    with_field,
)

BLOCK = 512
REGIONS = [(BLOCK * 2 * n, bytes([n % 256]) * BLOCK) for n in range(60)]
FORMS = ["gnu", "0.0", "0.1", "1.0"]
Members = list[tuple[tarfile.TarInfo, bytes]]


def sparse(form: str, name: str, size: int, regions: list[tuple[int, bytes]]) -> bytes:
    return sparse_gnu(name, size, regions) if form == "gnu" else sparse_pax(name, size, regions, form)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).filter(
    lambda name: not name.endswith("/") and not name.startswith(".")
)
long_names = st.builds(lambda folder, name: f"{folder * 5}/{name * 4}", names, names)
broken_names = st.binary(min_size=1, max_size=40).map(
    lambda raw: raw.replace(b"\0", b"_").decode("utf-8", "surrogateescape").strip("/.") + "_"
)
sizes = st.one_of(
    st.sampled_from([0, 1, 511, 512, 513, 1024]), st.integers(0, 1600), st.sampled_from([70_000, 200_001])
)
contents = st.builds(
    lambda size, seed: (bytes(range(256)) * (size // 256 + 2))[seed : seed + size], sizes, st.integers(0, 255)
)
kinds = st.sampled_from([tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])


@st.composite
def members(draw: st.DrawFn) -> Members:
    drawn: Members = []
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.one_of(names, names.map("./{}".format), long_names, broken_names))
        if draw(st.integers(0, 4)) == 0:
            drawn.append((special(name, draw(kinds), draw(names)), b""))
        else:
            content = draw(contents)
            drawn.append((regular(name, content, draw(st.sampled_from([0, 1_700_000_000, 1_700_000_000.25]))), content))
    return drawn


@given(members(), st.sampled_from(FORMATS), st.booleans(), st.lists(st.integers(0, 20_000), max_size=8))
def test_an_archive_of_any_format_is_what_tarfile_sees(
    drawn: Members, tar_format: TarFormat, end: bool, cuts: list[int]
) -> None:
    try:
        data = archive(drawn, tar_format, end=end)
    except (ValueError, UnicodeError):
        assume(False)  # too long for ustar
    assert read(data, cuts) == view(data)


SOME = b"".join(
    (
        member(regular("./a/first.txt", b"1" * 70), b"1" * 70, tarfile.USTAR_FORMAT),
        member(regular("a/" + "long" * 40, b"22", 1.5), b"22", tarfile.GNU_FORMAT),
        member(regular("b/" + "länger" * 20, b"333", 1.5), b"333", tarfile.PAX_FORMAT),
        sparse_gnu("holes.gnu", 500, [(70 * number, b"data") for number in range(6)]),
    )
)
EVERYTHING = b"".join(
    (
        pax_header(pax_record("comment", "of a commit"), b"g"),
        SOME,
        member(special("a", tarfile.DIRTYPE)),
        member(special("link" * 40, tarfile.SYMTYPE, "target" * 40), b"", tarfile.GNU_FORMAT),
        member(regular("empty", b"")),
        sparse_gnu("holes.more", 2000, [(70 * number, b"data") for number in range(27)]),
        sparse_pax("holes.1.0", 300, [(10, b"here"), (250, b"there")], "1.0"),
        sparse_pax("holes.0.0", 300, [(10, b"here"), (250, b"there")], "0.0"),
        member(regular("last.txt", b"4" * 512), b"4" * 512),
        bytes(1024),
    )
)


def test_the_cut_between_two_chunks_may_be_at_any_byte() -> None:
    wanted = view(SOME)
    assert len(wanted) == 4
    for cut in range(len(SOME)):
        assert read(SOME, [cut]) == wanted, cut


@pytest.mark.parametrize("size", [1, 2, 3, 100, 511, 512, 513, 1000, 4096])
def test_chunks_of_any_size_give_the_same(size: int) -> None:
    assert read(EVERYTHING, range(0, len(EVERYTHING), size)) == view(EVERYTHING)


@pytest.mark.parametrize("size", [100, 700, 5000, 10**6])
def test_chunks_may_be_memoryviews_and_their_memory_may_be_used_again(size: int) -> None:
    stream, memory, found = TarStream("s"), bytearray(size), []
    for part in chunks(EVERYTHING, range(0, len(EVERYTHING), size)):
        memory[: len(part)] = part
        found += stream.feed(memoryview(memory)[: len(part)])
    assert found == view(EVERYTHING)
    assert all(type(content) is bytes for _, content, _ in found)


@given(st.lists(st.integers(0, len(EVERYTHING)), max_size=10))
def test_the_places_of_files_are_found_without_their_contents(cuts: list[int]) -> None:
    headers = TarHeaders("s")
    places = [place for part in chunks(EVERYTHING, cuts) for place in headers.feed(part)]
    found = [Entry.of(place) for place in places if not isinstance(place[3], Link)]
    headers.close()
    assert found == [
        Entry(name, NO_RANGE if name.startswith("holes") else offset, len(content))
        for name, content, offset in view(EVERYTHING)
    ]


def test_a_file_is_returned_with_its_last_byte() -> None:
    data = pack([("a", b"x" * 1000), ("b", b"y" * 10)])
    stream = TarStream("s")
    assert stream.feed(data[: 512 + 999]) == []
    assert stream.feed(data[512 + 999 : 512 + 1000]) == [("a", b"x" * 1000, 512)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [0, 1, 4, 5, 25, 26, 60])
def test_the_holes_of_a_sparse_file_are_filled(form: str, count: int) -> None:
    regions = REGIONS[:count]
    size = 2 * BLOCK * count + 3000
    data = pack([("a", b"1")], end=False) + sparse(form, "d/holes.bin", size, regions) + pack([("b", b"2")])
    found = read(data, range(0, len(data), 1111))
    assert [(name, content) for name, content, _ in found] == [
        ("a", b"1"),
        ("d/holes.bin", expanded(size, regions)),
        ("b", b"2"),
    ]
    if count:
        assert found == view(data)


def test_a_sparse_file_may_begin_with_a_hole_and_end_with_data() -> None:
    regions = [(5000, b"a" * 512), (9000, b"b" * 77)]
    for form in FORMS:
        data = sparse(form, "f", 9077, regions) + bytes(1024)
        assert [content for _, content, _ in read(data)] == [expanded(9077, regions)]


HUGE = 9 << 30


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_file_larger_than_8_gib_is_passed_over(tar_format: TarFormat) -> None:
    info = tarfile.TarInfo("huge")
    info.size = HUGE + 5
    head = info.tobuf(tar_format)
    headers, zeros = TarHeaders("s"), memoryview(bytes(32 << 20))
    found = list(headers.feed(head))
    for _ in range(HUGE // len(zeros)):
        assert not headers.feed(zeros)
    found += headers.feed(bytes(512) + pack([("next", b"1")]))
    headers.close()
    assert found == [("huge", len(head), HUGE + 5, None), ("next", len(head) + HUGE + 512 + 512, 1, None)]


def test_numbers_in_base_256_and_in_short_fields() -> None:
    plain = regular("a", b"123").tobuf(tarfile.USTAR_FORMAT)
    for field in (
        b"\x80" + (3).to_bytes(11, "big"),
        b"3\0" + bytes(10),
        b"         3 \0",
        b"00000000003 ",
        b"3" + b" " * 11,
    ):
        assert read(with_field(plain, 124, field) + b"123".ljust(512, b"\0")) == [("a", b"123", 512)]


def test_a_checksum_of_signed_characters_is_accepted() -> None:
    block = member(regular("é.txt", b""), b"", tarfile.GNU_FORMAT)
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + b" " * 8 + block[156:])
    data = block[:148] + b"%06o\0 " % signed + block[156:]
    assert data != block
    assert read(data) == view(data) == [("é.txt", b"", 512)]


ODD = [
    pytest.param(124, b"%-12o" % 3, id="a size behind which spaces stand"),
    pytest.param(124, b"         3\0 ", id="a size before which spaces stand"),
    pytest.param(124, b"\x80" + bytes(10) + b"\3", id="a size in base 256"),
    pytest.param(99, b"x", id="a name of 100 characters"),
    pytest.param(0, b"./././a", id="a folder that is this one"),
    pytest.param(4, b"\0x", id="bytes behind the end of a name"),
    pytest.param(0, b"\xe4\xc3\xa4", id="a name that is no UTF-8"),
    pytest.param(345, b"folder", id="a prefix"),
    pytest.param(156, b"7", id="a contiguous file"),
    pytest.param(156, b"\0", id="a file of the old kind"),
    pytest.param(156, b"2", id="a link"),
]


@pytest.mark.parametrize("place", [0, 7, 8, 19])
@pytest.mark.parametrize(("start", "value"), ODD)
def test_an_odd_header_among_many_plain_ones(place: int, start: int, value: bytes) -> None:
    blocks = [member(regular(f"{n:03}.a", b"123", n % 2 / 2), b"123", tarfile.PAX_FORMAT) for n in range(20)]
    head = blocks[place][-1024:-512]
    # A name of 100 characters has no NUL between them.
    head = with_field(head, 0, b"x" * 99) if start == 99 else head
    blocks[place] = blocks[place][:-1024] + with_field(head, start, value) + (b"" if value == b"2" else bytes(512))
    data = b"".join(blocks) + bytes(1024)
    assert read(data) == read(data, range(512, len(data), 512)) == view(data)


def test_many_odd_headers_with_plain_ones_between_them() -> None:
    odd = [member(regular(f"{n:03}.b", b"x"), b"x", tarfile.USTAR_FORMAT) for n in range(20)]
    odd = [with_field(block[:512], 345, b"folder") + block[512:] for block in odd]
    plain = [
        pack([(f"{n:03}{m:02}.a", b"y" * m) for m in range(10)], tarfile.USTAR_FORMAT, end=False) for n in range(20)
    ]
    data = b"".join(block for pair in zip(plain, odd, strict=True) for block in pair) + bytes(1024)
    assert read(data) == read(data, range(512, len(data), 512)) == view(data)
    assert len(view(data)) == 220


@pytest.mark.parametrize("form", [b"%06o\0 ", b"%07o\0", b"%07o ", b"%6o\0 ", b"%o\0"])
def test_a_checksum_may_be_written_in_any_usual_form(form: bytes) -> None:
    data = pack([(f"{n}.a", b"x") for n in range(30)], tarfile.USTAR_FORMAT)
    written = b"".join(
        block[:148] + (form % int(block[148:154], 8)).ljust(8, b"\0") + block[156:]
        if block[257:262] == b"ustar"
        else block
        for block in (data[at : at + 512] for at in range(0, len(data), 512))
    )
    assert read(written) == view(data)
    damaged = written[: 20 * 1024] + b"y" + written[20 * 1024 + 1 :]
    with pytest.raises(DamagedShardError, match="checksum") as raised:
        read(damaged)
    assert raised.value.offset == 20 * 1024


def test_a_prefix_is_none_where_gnu_tar_keeps_times() -> None:
    header = regular("name", b"").tobuf(tarfile.GNU_FORMAT)
    data = with_field(header, 345, b"14371573221\0")  # as written by `tar --incremental`
    assert [name for name, _, _ in read(data)] == ["name"]


def test_old_headers_of_directories_end_in_a_slash() -> None:
    plain = regular("x", b"").tobuf(tarfile.USTAR_FORMAT)
    old = with_field(plain[:257] + bytes(255), 156, b"\0")
    assert read(with_field(old, 0, b"dir/\0") + with_field(old, 0, b"file\0")) == [("file", b"", 1024)]


def test_a_long_name_that_was_cut_at_a_slash_is_still_that_of_a_file() -> None:
    long_name = member(regular("long/" * 30 + "file", b"1"), b"1", tarfile.GNU_FORMAT)
    header = with_field(long_name[1024:1536], 156, b"\0")  # its own field, of 100 bytes, ends in a slash
    assert [name for name, _, _ in read(long_name[:1024] + header + long_name[1536:])] == ["long/" * 30 + "file"]


def test_contents_of_types_that_nobody_knows_are_passed_over() -> None:
    odd = with_field(regular("odd", b"1" * 600).tobuf(tarfile.USTAR_FORMAT), 156, b"V")
    data = odd + b"1" * 600 + bytes(424) + pack([("a", b"2")])
    assert read(data) == view(data)
    assert [name for name, _, _ in read(data)] == ["a"]


@pytest.mark.parametrize("behind", [b"garbage", b"x" * 2000, pack([("hidden", b"1")])])
def test_nothing_is_read_behind_the_end_marker(behind: bytes) -> None:
    data = pack([("a", b"1")]) + behind
    for size in (100, 10**6):
        stream = TarStream("s")
        assert fed(stream, chunks(data, range(0, len(data), size))) == [("a", b"1", 512)]
        assert stream.ended


def test_a_single_block_of_zeros_ends_an_archive_as_in_tarfile() -> None:
    data = pack([("a", b"1")], end=False) + bytes(512) + pack([("b", b"2")])
    assert read(data) == view(data) == [("a", b"1", 512)]


PAX = tarfile.PAX_FORMAT
REAL = regular("real.txt", b"abc").tobuf(tarfile.USTAR_FORMAT) + b"abc".ljust(512, b"\0") + bytes(1024)


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ([("path", "other.txt")], "other.txt"),
        ([("path", "a=b c\nd=e.txt")], "a=b c\nd=e.txt"),
        ([("comment", "12 path=no\n"), ("mtime", "1.5")], "real.txt"),
        ([("mtime", "1.5"), ("path", "./sub/ü.txt"), ("atime", "-3")], "sub/ü.txt"),
        ([("linkpath", "elsewhere"), ("path", "")], "real.txt"),
    ],
)
def test_pax_records(records: list[tuple[str, str]], name: str) -> None:
    payload = b"".join(pax_record(*record) for record in records)
    data = pax_header(payload) + REAL
    assert [(found, content) for found, content, _ in read(data)] == [(name, b"abc")]


def test_a_size_in_a_pax_record_holds() -> None:
    data = pax_header(pax_record("size", "3")) + with_field(REAL[:512], 124, b"00000000000 ") + REAL[512:]
    assert [(found, content) for found, content, _ in read(data)] == [("real.txt", b"abc")]


def test_names_that_are_no_utf8_keep_their_bytes() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    for tar_format in FORMATS:
        data = pack([(name, b"1")], tar_format)
        assert [found for found, _, _ in read(data)] == [name]


def test_a_large_file_is_copied_once() -> None:
    content = bytes(3_000_000)
    data = pack([("large", content)])
    stream = TarStream("s")
    parts = chunks(data, range(0, len(data), 65536))
    tracemalloc.start()
    found: list[File] = [file for part in parts for file in stream.feed(part)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0][1] == content
    assert peak < 1.1 * len(content)
