from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from aistorch.bench.content import object_content, object_name


def test_names_are_in_the_order_of_their_numbers() -> None:
    numbers = [0, 9, 10, 99_999, 100_000]
    names = [object_name(number) for number in numbers]
    assert names == sorted(set(names))
    assert names[3] == "train/00099999.bin"


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
