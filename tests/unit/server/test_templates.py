"""Templates of object names, held against the SDK's own expansion."""

from __future__ import annotations

import pytest
from aistore.sdk.multiobj import ObjectRange, ObjectTemplate
from hypothesis import given
from hypothesis import strategies as st

from aistorch.server.http_errors import BadRequest
from aistorch.server.templates import Template

texts = st.text(st.characters(blacklist_characters="{}", blacklist_categories=["Cs"]), max_size=8)


@given(
    prefix=texts,
    suffix=texts,
    first=st.integers(0, 120),
    count=st.integers(1, 60),
    step=st.integers(1, 9),
    width=st.integers(3, 6),
)
def test_ranges_have_the_names_that_the_sdk_gives_them(
    prefix: str, suffix: str, first: int, count: int, step: int, width: int
) -> None:
    group = ObjectRange(prefix, first, first + count, pad_width=width, step=step, suffix=suffix)
    numbers = range(first, first + count + 1, step)
    names = list(Template(str(group)).names())
    assert names == [f"{prefix}{number:0{width}d}{suffix}" for number in numbers]
    if f"{prefix}0{suffix}".isalnum():  # others the SDK takes for parts of a regular expression
        assert names == list(group)


def test_several_ranges_count_like_digits() -> None:
    template = "a{0..1}-{08..12..2}.x"
    names = ["a0-08.x", "a0-10.x", "a0-12.x", "a1-08.x", "a1-10.x", "a1-12.x"]
    assert list(Template(template).names()) == names == list(ObjectTemplate(template))


@pytest.mark.parametrize(("template", "prefix"), [("", ""), ("*", ""), ("train/", "train/"), ("a.b", "a.b")])
def test_a_template_without_a_range_is_a_prefix(template: str, prefix: str) -> None:
    assert Template(template).prefix == prefix


@pytest.mark.parametrize(
    "template", ["{", "a}", "{a..b}", "{1}", "{1..}", "{3..2}", "{1..2..0}", "{-1..2}", "{0..1..2..3}", "{1..2}{"]
)
def test_what_is_no_template_is_refused_by_name(template: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Template(template)
    assert repr(template) in str(caught.value)


def test_too_many_names_are_refused_before_they_are_made() -> None:
    with pytest.raises(BadRequest, match="more than 10000000 names"):
        Template("{0..9999}{0..9999}")
