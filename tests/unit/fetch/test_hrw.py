"""Placement: the vectors that a real cluster's own redirects confirmed, and the SDK's function as a second opinion."""

from __future__ import annotations

import numpy as np
import pytest
import xxhash
from aistore.sdk.const import XX_HASH_SEED
from aistore.sdk.types import Smap
from aistore.sdk.utils import xoshiro256_hash
from hypothesis import given
from hypothesis import strategies as st

from aistorch.fetch.hrw import Placement, _weight

NODES = {
    "QFUt18083": 14286713496264651939,
    "TRbt18081": 3057906188749349206,
    "VEnt18082": 14007486724320013268,
}


@pytest.mark.parametrize(("seed", "weight"), [(0, 1905207664160064169), (4573842, 5026071747115404967)])
def test_weights_of_the_server(seed: int, weight: int) -> None:
    assert _weight(np.array([seed], dtype=np.uint64)).tolist() == [weight]


@pytest.mark.parametrize(("daemon_id", "digest"), [("amEp18080", 8569049763063515450), *NODES.items()])
def test_digests_of_nodes(daemon_id: str, digest: int) -> None:
    assert xxhash.xxh64_intdigest(daemon_id.encode(), XX_HASH_SEED) == digest


def test_objects_belong_where_the_proxy_redirected() -> None:
    unames = ["ais/@#/bk1/dir/o-1.txt", "ais/@#/bk1/a", "aws/@#/b/ü.jpg"]
    found = Placement(NODES).targets_of(uname.encode() for uname in unames)
    assert found == ["TRbt18081", "QFUt18083", "VEnt18082"]


@given(st.integers(0, 2**64 - 1))
def test_weights_are_the_sdks(seed: int) -> None:
    assert _weight(np.array([seed], dtype=np.uint64)).tolist() == [xoshiro256_hash(seed)]


@given(
    digests=st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 2**64 - 1), min_size=1, max_size=6),
    names=st.lists(st.text(max_size=30), max_size=20),
)
def test_targets_are_the_sdks(digests: dict[str, int], names: list[str]) -> None:
    nodes = {
        daemon_id: {"daemon_id": daemon_id, "daemon_type": "target", "id_digest": digest}
        for daemon_id, digest in digests.items()
    }
    proxy = {"daemon_id": "p", "daemon_type": "proxy"}
    smap = Smap.model_validate({"tmap": nodes, "pmap": {}, "proxy_si": proxy})
    expected = [smap.get_target_for_object(f"ais/@#/b/{name}").daemon_id for name in names]
    assert Placement(digests).targets_of(f"ais/@#/b/{name}".encode() for name in names) == expected


def test_without_targets_nothing_is_placed() -> None:
    assert Placement({}).targets_of([b"ais/@#/b/a", b"ais/@#/b/b"]) == [None, None]
    assert Placement(NODES).targets_of([]) == []
