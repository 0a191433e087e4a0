"""Headers as they are written, read by Python's tarfile."""

from __future__ import annotations

import io
import tarfile

from hypothesis import example, given
from hypothesis import strategies as st

from aistorch.shards.tar_write import END, member_head, member_size, padding

PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120)
NAMES = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)
MEMBERS = st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6)


@given(MEMBERS)
@example({"a" * 100: b"", "b" * 101: b"x", f"{'d' * 155}/{'e' * 100}": b"y", f"{'f' * 156}/g": b"z"})
def test_tarfile_reads_what_was_written(contents: dict[str, bytes]) -> None:
    parts = [member_head(name, len(body)) + body + bytes(padding(len(body))) for name, body in contents.items()]
    assert [len(part) for part in parts] == [member_size(name, len(body)) for name, body in contents.items()]
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts) + END)) as tar:
        found = [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    assert found == list(contents.items())


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=100), st.integers(0, 2**33 - 1)
)
@example("a" * 100, 2**33 - 1)
def test_plain_headers_are_those_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert member_head(name, size) == info.tobuf(tarfile.USTAR_FORMAT)


def test_pax_is_used_only_where_ustar_does_not_do() -> None:
    assert len(member_head("a" * 100, 8 * 2**30 - 1)) == 512
    assert len(member_head(f"{'d' * 155}/{'e' * 100}", 1)) == 512
    for name, size in (("é", 1), ("a" * 101, 1), ("a", 8 * 2**30)):
        assert len(member_head(name, size)) > 512
        assert member_size(name, size) - size - padding(size) == len(member_head(name, size))


def test_sizes_beyond_eight_gigabytes_are_told() -> None:
    with tarfile.open(fileobj=io.BytesIO(member_head("large", 9 << 30))) as tar:
        assert tar.next().size == 9 << 30  # type: ignore[union-attr]


def test_a_name_that_is_no_utf8_is_kept() -> None:
    name = b"a\xff.jpg".decode("utf-8", "surrogateescape")
    with tarfile.open(fileobj=io.BytesIO(member_head(name, 0) + END)) as tar:
        assert tar.getnames() == [name]


def test_nothing_but_name_and_size_is_told() -> None:
    with tarfile.open(fileobj=io.BytesIO(member_head("a.jpg", 0) + END)) as tar:
        info = tar.getmember("a.jpg")
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
