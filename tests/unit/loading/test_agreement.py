"""Ranks that disagree, in one process: what torch has for it, and what happens where it has nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import distributed

from aistorch.errors import RanksDisagreeError
from aistorch.loading import agreement
from aistorch.loading.agreement import KEPT, check_agreement


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class TwoRanks:
    """Two ranks that share a store in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.store: Any = distributed.HashStore()  # type: ignore[attr-defined]
        self._begun: list[Counter[str]] = [Counter(), Counter()]
        monkeypatch.setattr(agreement, "_store_among_ranks", lambda: self.store)

    def says(self, rank: int, what: str, **facts: object) -> None:
        self._patch.setattr(agreement, "_begun", self._begun[rank])
        self._patch.setattr(distributed, "get_rank", lambda: rank)
        check_agreement(what, facts)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> TwoRanks:
    return TwoRanks(monkeypatch)


def test_the_fact_that_differs_is_named(two: TwoRanks) -> None:
    two.says(0, "ais://b", epoch=1, seed=7, fingerprint="a")
    with pytest.raises(
        RanksDisagreeError, match=r"ais://b: fingerprint is 'b' on rank 1 and 'a' on rank 0\. .*set_epoch"
    ):
        two.says(1, "ais://b", epoch=1, seed=7, fingerprint="b")


def test_iterations_are_compared_one_by_one(two: TwoRanks) -> None:
    for epoch in range(3):
        two.says(0, "ais://b", epoch=epoch)
        two.says(0, "ais://other", epoch=9)
    for epoch in range(2):
        two.says(1, "ais://b", epoch=epoch)
    with pytest.raises(RanksDisagreeError, match="epoch is 1 on rank 1 and 2 on rank 0"):
        two.says(1, "ais://b", epoch=1)


@pytest.mark.parametrize("together", [True, False])
def test_the_store_does_not_fill_up(two: TwoRanks, together: bool) -> None:
    for epoch in range(3 * KEPT):
        two.says(0, "ais://b", epoch=epoch)
        if together:
            two.says(1, "ais://b", epoch=epoch)
    assert two.store.num_keys() <= KEPT


def test_a_rank_that_is_far_behind_is_not_compared_with_what_is_gone(two: TwoRanks) -> None:
    for epoch in range(2 * KEPT):
        two.says(0, "ais://b", epoch=epoch)
    two.says(1, "ais://b", epoch=5)


def test_any_text_and_any_fact_will_do(two: TwoRanks) -> None:
    for rank in (0, 1):
        two.says(rank, "ais://ü\udcff\n" * 100, nested={"of": [1, None, 2.5]}, other=Path("/x"), pair=(1, 2))


def test_a_process_on_its_own_compares_nothing() -> None:
    check_agreement("ais://b", {"epoch": 1})


@pytest.mark.usefixtures("group")
def test_one_rank_compares_nothing() -> None:
    check_agreement("ais://b", {"epoch": 1})


@pytest.mark.usefixtures("group")
def test_the_installed_torch_has_the_store() -> None:
    store = agreement._default_store()
    assert store is not None
    assert [store.compare_set("a", "", value) for value in ("first", "second")] == [b"first", b"first"]
    assert store.delete_key("a")


def test_a_group_without_a_store_that_compares_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    fake = pytest.importorskip("torch.testing._internal.distributed.fake_pg")
    agreement._log_once.cache_clear()
    distributed.init_process_group("fake", store=fake.FakeStore(), rank=0, world_size=2)
    try:
        with caplog.at_level(logging.DEBUG, agreement.__name__):
            for _ in range(3):
                check_agreement("ais://b", {"epoch": 1})
    finally:
        distributed.destroy_process_group()
    assert [record.message for record in caplog.records] == ["ranks are not compared: Not implemented."]


def test_another_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(distributed.distributed_c10d, "_get_default_store")
    assert agreement._default_store() is None
