"""Nodes of a real cluster are restarted in good order while datasets read from it: nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from aistore.sdk import Bucket
from torch.utils.data import DataLoader

from aistorch import AISIterDataset, AISMapDataset, ReadConfig, RetryPolicy
from aistorch.errors import ObjectNotFoundError
from tests.cluster.faults import (
    Sample,
    end,
    filled_bucket,
    kill,
    name,
    read_during,
    restart,
    restart_all_at_once,
    restart_one_after_another,
)
from tests.support.cluster import Cluster

OBJECTS = 1500
pytestmark = [pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore::aistorch.errors.SlowReadWarning")]


@pytest.fixture
def bucket(cluster: Cluster) -> Bucket:
    return filled_bucket(cluster, OBJECTS)


def by_workers(bucket: Bucket) -> Iterator[Sample]:
    return iter(DataLoader(AISMapDataset(bucket), batch_size=None, num_workers=2))


def test_a_target_that_is_restarted_in_good_order_costs_no_sample(cluster: Cluster, bucket: Bucket) -> None:
    account = read_during(lambda: restart(cluster.nodes[2], 3), AISIterDataset(bucket), OBJECTS)
    assert account.is_clean, account


def test_a_rolling_restart_of_all_nodes_costs_no_sample(cluster: Cluster, bucket: Bucket) -> None:
    account = read_during(lambda: restart_one_after_another(cluster, 1, 3), by_workers(bucket), OBJECTS, pace=0.02)
    assert account.is_clean, account


def test_a_restart_of_the_whole_cluster_costs_no_sample(cluster: Cluster, bucket: Bucket) -> None:
    account = read_during(lambda: restart_all_at_once(cluster, 1), AISIterDataset(bucket), OBJECTS)
    assert account.is_clean, account


def test_a_target_that_has_left_for_good_is_named(cluster: Cluster, bucket: Bucket) -> None:
    config = ReadConfig(retry=RetryPolicy(patience=5))
    account = read_during(lambda: end(cluster.nodes[2]), AISIterDataset(bucket, config=config), OBJECTS)
    assert isinstance(account.error, ObjectNotFoundError)
    assert "that held it has left the cluster" in str(account.error)
    assert (account.doubled, account.wrong) == (0, 0)


def test_an_object_deleted_on_a_cluster_at_rest_is_not_waited_for(cluster: Cluster, bucket: Bucket) -> None:
    dataset = AISMapDataset(bucket)
    assert dataset[0]
    bucket.object(name(7)).delete()
    began = time.monotonic()
    with pytest.raises(ObjectNotFoundError, match="deleted since"):
        dataset[7]
    assert time.monotonic() - began < 5  # 0.04; of a cluster that is not at rest it would be 10 and more


def test_where_objects_are_kept_on_several_targets_one_that_is_killed_is_not_waited_for(cluster: Cluster) -> None:
    bucket = filled_bucket(cluster, 0)
    bucket.client.request(
        "patch",
        path=f"buckets/{bucket.name}",
        params=bucket.qparam,
        json={
            "action": "set-bprops",
            "name": "",
            "value": {"ec": {"enabled": True, "data_slices": 1, "parity_slices": 1, "objsize_limit": 1 << 20}},
        },
    )
    for number in range(100):
        bucket.object(name(number)).get_writer().put_content(b"%d" % number * 10)
    time.sleep(3)  # copies are made after the PUT
    dataset = AISIterDataset(bucket, config=ReadConfig(in_flight=4))
    samples = iter(dataset)
    found = [next(samples)]
    began = time.monotonic()
    kill(cluster.nodes[2])
    found += samples
    assert found == [(name(number), b"%d" % number * 10) for number in range(100)]
    assert time.monotonic() - began < 20
