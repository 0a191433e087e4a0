"""The demonstration's job against each server: what it stores, that it learns, that it leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aistorch.demo.digits import TEST_PREFIX, TRAIN_PREFIX, digits, label_of
from aistorch.demo.job import run

if TYPE_CHECKING:
    from tests.contract.conftest import Server


def test_the_job_learns_and_removes_its_bucket(ais: Server) -> None:
    before = {bucket.name for bucket in ais.client().cluster().list_buckets()}
    outcome = run(ais.endpoint, epochs=3)
    assert outcome.samples == 3 * sum(digit.name.startswith(TRAIN_PREFIX) for digit in digits())
    assert outcome.samples_per_second > 0
    assert outcome.accuracy > 0.9
    assert {bucket.name for bucket in ais.client().cluster().list_buckets()} == before


def test_a_fifth_of_each_label_is_held_out() -> None:
    counts = {prefix: [0] * 10 for prefix in (TRAIN_PREFIX, TEST_PREFIX)}
    for digit in digits():
        counts[next(prefix for prefix in counts if digit.name.startswith(prefix))][label_of(digit.name)] += 1
    assert sum(map(sum, counts.values())) == 1797
    for train, test in zip(counts[TRAIN_PREFIX], counts[TEST_PREFIX], strict=True):
        assert test / (train + test) == pytest.approx(0.2, abs=0.005)
