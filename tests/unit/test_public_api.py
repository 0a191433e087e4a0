"""What is public is documented, and what is documented is there."""

from __future__ import annotations

import re
from pathlib import Path

import aistorch

API = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_public_name_is_documented_and_every_documented_name_is_public() -> None:
    documented = re.findall(r"^\| `(\w+)` \| \S", API.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(aistorch.__all__)


def test_public_names_exist_and_are_in_alphabetical_order() -> None:
    assert list(aistorch.__all__) == sorted(aistorch.__all__)
    assert [name for name in aistorch.__all__ if not hasattr(aistorch, name)] == []


def test_public_names_say_what_they_are() -> None:
    assert [name for name in aistorch.__all__ if not getattr(aistorch, name).__doc__] == []
