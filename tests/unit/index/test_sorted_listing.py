"""Listing all objects, each once, of a server that would lose and repeat some."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistorch.errors import ServerError
from aistorch.index import sorted_listing
from aistorch.index.list_request import ask
from aistorch.index.sorted_listing import is_folder, sorted_entries
from tests.unit.index.walking_cluster import WalkingCluster

# Few parts, among them many that begin each other and go on with what sorts before "/": names collide all the time.
parts = st.sampled_from(["a", "a-", "a--", "a-b", "a.", "a.b", "a*", "b", "-"])
names = st.lists(parts, min_size=1, max_size=3).map("/".join)
prefixes = st.sampled_from(["", "", "", "a", "a/", "a-", "a/a", "a-/a.", "b", "a*", "c", "/"])


def listed(cluster: WalkingCluster, prefix: str = "") -> list[str]:
    return [entry["n"] for entries in sorted_entries(cluster.bucket(), prefix) for entry in entries]


def listed_plainly(cluster: WalkingCluster, prefix: str = "") -> list[str]:
    bucket = cluster.bucket()
    page = ask(bucket, prefix)
    found = page.entries
    while page.token:
        page = ask(bucket, prefix, token=page.token, uuid=page.uuid)
        found += page.entries
    return [entry["n"] for entry in found]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(names, st.integers(0, 2)), max_size=60),
    st.lists(names, max_size=3),
    prefixes,
    st.integers(1, 20),
    st.integers(5, 9),
)
def test_every_object_comes_once_and_in_order(
    stored: list[tuple[str, int]], emptied: list[str], prefix: str, page_size: int, few: int
) -> None:
    places = dict(stored)
    targets = [[name for name, place in places.items() if place == number] for number in range(3)]
    cluster = WalkingCluster(targets, emptied, page_size)
    # A part begins with at most 3 others.
    with patch.multiple(sorted_listing, FEW=few, MANY=few, MARGIN=4):
        assert listed(cluster, prefix) == sorted(name for name in places if name.startswith(prefix))


def test_names_beside_a_large_folder() -> None:
    stored = [f"train/{number:03}" for number in range(50)] + [f"train-{number:03}" for number in range(8)]
    stored += ["train.csv", "train-x/y", "train-x/z", "val/1", "a"]
    targets = [stored[0::3], stored[1::3], stored[2::3]]
    assert set(listed_plainly(WalkingCluster(targets, page_size=10))) < set(stored)
    for page_size in (1, 3, 10, 100):
        cluster = WalkingCluster(targets, page_size=page_size)
        assert listed(cluster) == sorted(stored)
        assert listed(cluster, "train-") == sorted(name for name in stored if name.startswith("train-"))


def test_a_star_in_a_prefix_is_no_wildcard() -> None:
    stored = [f"a*{number}" for number in range(8)] + ["a/b", "a/c", "ab"]
    assert listed(WalkingCluster([stored], page_size=100), "a*") == stored[:8]


def test_more_names_beside_a_folder_than_are_asked_for_at_once() -> None:
    # The folder a-/ is walked before the names that begin with a--, and takes the place of one on their page.
    stored = sorted([*(f"a--{number:02}" for number in range(40)), "a-/x", *(f"a/{number}" for number in range(10))])
    with patch.multiple(sorted_listing, FEW=20, MANY=20):
        pages = list(sorted_entries(WalkingCluster([stored], page_size=5).bucket(), ""))
    assert [entry["n"] for entries in pages for entry in entries] == stored
    assert len(pages) < 10  # not one for each of those names


@pytest.mark.parametrize("emptied", [[], ["a"]])
def test_names_beside_a_folder_that_equals_the_prefix(emptied: list[str]) -> None:
    stored = ["a-1", "a.txt", "ab", "a_", "a+", *([] if emptied else ["a/b"])]
    cluster = WalkingCluster([stored], emptied, page_size=100)
    assert set(listed_plainly(cluster, "a")) < set(stored)
    assert listed(cluster, "a") == sorted(stored)
    assert is_folder(cluster.bucket(), "a")
    assert not is_folder(cluster.bucket(), "ab")


def test_what_is_not_in_danger_costs_little_more() -> None:
    stored = [f"class-{folder}/{number:03}.jpg" for folder in range(5) for number in range(100)]
    plain, ours = WalkingCluster([stored], page_size=50), WalkingCluster([stored], page_size=50)
    assert listed_plainly(plain) == listed(ours) == stored
    assert plain.requests == 11
    # A page's last name, "class-0/049.jpg", raises three questions, which are asked once a folder or name.
    assert ours.requests <= plain.requests + 3 * 10


def test_a_prefix_asks_for_no_more_than_its_own() -> None:
    stored = [f"{letter}/{number}" for letter in "abc" for number in range(100)] + ["b-1", "b.txt"]
    cluster = WalkingCluster([stored], page_size=50)
    assert listed(cluster, "b") == sorted(name for name in stored if name.startswith("b"))
    assert cluster.requests < 15


def test_a_listing_that_goes_in_circles_is_an_error() -> None:
    class Circle(WalkingCluster):
        def request_deserialize(self, method: str, json: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {"UUID": "u", "ContinuationToken": "x", "Entries": [{"n": "x"}], "Flags": 0}

    with pytest.raises(ServerError, match="the listing of ais://bck makes no progress after 'x'"):
        listed(Circle([]))
