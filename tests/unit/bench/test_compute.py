from __future__ import annotations

import pytest

from aistorch.bench import compute
from aistorch.errors import InvalidArgumentError


@pytest.mark.parametrize("kind", ["python", "native"])
def test_the_amount_is_found_that_takes_the_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    amounts: list[int] = []
    monkeypatch.setattr(compute, "computation", lambda _, amount: amounts.append(amount))
    monkeypatch.setattr(compute, "_quickest", lambda _: 5e-5 + 2e-8 * amounts[-1])
    assert compute.calibrate(kind) == pytest.approx((1e-3 - 5e-5) / 2e-8, rel=0.02)


@pytest.mark.parametrize("kind", ["python", "native"])
def test_all_of_it_is_computed(kind: str) -> None:
    results = {repr(compute.computation(kind, 1000)()) for _ in range(2)}
    assert results if kind == "native" else results == {"0"}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'gpu'; there are python and native"):
        compute.computation("gpu", 1)
