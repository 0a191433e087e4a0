from __future__ import annotations

from collections import Counter

import pytest
from aistore.sdk.types import Smap

from aistorch.server.cluster_map import ClusterMap, Node

NAMES = [f"ais/@#/bk/o{i}" for i in range(300)]


def test_digests_are_those_of_aistore() -> None:
    assert Node("amEp18080", "proxy").digest == 8569049763063515450
    assert Node("QFUt18083", "target").digest == 14286713496264651939


def test_owners_are_those_of_aistore() -> None:
    cluster = ClusterMap("c", 3)
    cluster.targets = {i: Node(i, "target") for i in ("QFUt18083", "TRbt18081", "VEnt18082")}
    assert cluster.owner("ais/@#/bk1/dir/o-1.txt").id == "TRbt18081"
    assert cluster.owner("ais/@#/bk1/a").id == "QFUt18083"
    assert cluster.owner("aws/@#/b/ü.jpg").id == "VEnt18082"


@pytest.mark.parametrize("targets", [1, 3])
def test_the_sdk_finds_the_same_owner_from_the_map(targets: int) -> None:
    cluster = ClusterMap("c", targets)
    smap = Smap.model_validate(cluster.to_json("127.0.0.1"))
    assert [smap.get_target_for_object(name).daemon_id for name in NAMES] == [cluster.owner(name).id for name in NAMES]
    assert smap.proxy_si.daemon_id in smap.pmap
    assert set(Counter(cluster.owner(name).id for name in NAMES)) == set(cluster.targets)


def test_maintenance_moves_only_the_objects_of_that_target() -> None:
    cluster = ClusterMap("c", 3)
    before, version = {name: cluster.owner(name).id for name in NAMES}, cluster.version
    cluster.set_maintenance("embt2", True)
    assert cluster.version > version
    for name in NAMES:
        assert cluster.owner(name).id != "embt2"
        assert cluster.owner(name).id == before[name] or before[name] == "embt2"
    assert Smap.model_validate(cluster.to_json("h")).tmap["embt2"].in_maint_or_decomm()
    cluster.set_maintenance("embt2", False)
    assert {name: cluster.owner(name).id for name in NAMES} == before


def test_the_last_target_keeps_its_objects() -> None:
    cluster = ClusterMap("c", 2)
    cluster.set_maintenance("embt1", True)
    with pytest.raises(ValueError, match="'embt2' is the only target left"):
        cluster.set_maintenance("embt2", True)
    with pytest.raises(ValueError, match="no target 'embt9'"):
        cluster.set_maintenance("embt9", True)
    assert {cluster.owner(name).id for name in NAMES} == {"embt2"}


def test_urls_name_ipv6_addresses_in_brackets() -> None:
    cluster = ClusterMap("c", 1, "https")
    cluster.proxy.port = 8080
    assert cluster.url(cluster.proxy, "::1") == "https://[::1]:8080"
    assert cluster.url(cluster.proxy, "10.0.0.1") == "https://10.0.0.1:8080"
