from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from aistorch.bench.content import object_content, object_name, object_number


@given(st.integers(0, 10**8 - 1))
def test_a_name_tells_its_number(number: int) -> None:
    assert object_number(object_name(number)) == number


@given(st.integers(0, 10**8 - 1), st.integers(8, 5000))
def test_content_has_its_size_and_tells_its_number(number: int, size: int) -> None:
    content = object_content(number, size)
    assert len(content) == size
    assert int.from_bytes(content[:8], "little") == number
    assert content[8:] == object_content(0, size)[8:]


def test_content_is_the_same_on_every_machine() -> None:
    # A bucket that an earlier version has filled is used again, so this must not change.
    assert (
        sha256(object_content(7, 4096)).hexdigest()
        == "01844fd4cf08176a33d77e89885411f5543c6a18683dad1888504a05a49f7a57"
    )
