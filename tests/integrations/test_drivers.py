"""A dataset knows whether a framework shares its samples among ranks itself: at each start, length and pickling."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, SequentialSampler

from aistorch.errors import AIStorchWarning
from aistorch.integrations import accelerate, lightning, transformers
from aistorch.loading import drivers
from aistorch.loading.drivers import outer_rank_split
from tests.support.ranks import run_ranks

CODES = {"": 0, "IterableDatasetShard": 1, "DataLoaderDispatcher": 2, "BatchSamplerShard": 3}


class Asking(IterableDataset[torch.Tensor]):
    """Yields who shares its samples: as it begins, and what it was told when it was pickled."""

    pickled_under = ""

    def __len__(self) -> int:
        self.at_length = outer_rank_split()
        return 8

    def __iter__(self) -> Iterator[torch.Tensor]:
        seen = [code_of(outer_rank_split()), code_of(self.pickled_under)]
        return iter([torch.tensor(seen)] * 8)

    def __getstate__(self) -> dict[str, Any]:
        return {"pickled_under": outer_rank_split()}


class AskingBatches(BatchSampler):
    def __iter__(self) -> Iterator[list[int]]:
        self.seen = outer_rank_split()
        yield from super().__iter__()


def code_of(name: str) -> int:
    return CODES[name.rpartition(".")[2]]


def seen_by_iterables() -> dict[tuple[Any, ...], set[int]]:
    from accelerate import Accelerator, DataLoaderConfiguration

    found: dict[tuple[Any, ...], set[int]] = {}
    for dispatch in (None, True, False):
        for workers, method in ((0, None), (1, "fork"), (1, "spawn")):
            accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=dispatch))
            loader = DataLoader(
                Asking(), 2, num_workers=workers, multiprocessing_context=method, persistent_workers=workers > 0
            )
            prepared = accelerator.prepare(loader)
            assert len(prepared) == 2
            seen = prepared.base_dataloader.dataset
            at_length = getattr(seen, "dataset", seen).at_length
            # Rank 0 knows both; under spawn the callers are the parent's, and told with the pickle.
            rows = [row for _ in range(2) for batch in prepared for row in batch.tolist()]
            found[dispatch, method] = {code_of(at_length), *(max(row) for row in rows)}
    return found


def seen_by_batch_samplers() -> list[str]:
    from accelerate import Accelerator, DataLoaderConfiguration

    found = []
    for split, even in ((False, True), (False, False), (True, True)):
        accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(split_batches=split, even_batches=even))
        batches = AskingBatches(SequentialSampler(range(8)), 2, False)
        list(accelerator.prepare(DataLoader(torch.arange(8), batch_sampler=batches)))  # type: ignore[arg-type]
        found.append(batches.seen)
    return found


def everything_seen() -> Any:
    alone = Asking()
    plain = {max(row) for batch in DataLoader(alone, 2) for row in batch.tolist()} | {code_of(outer_rank_split())}
    return plain, seen_by_iterables(), seen_by_batch_samplers()


def test_who_shares_samples_is_known_whenever_a_dataset_asks() -> None:
    for plain, iterables, samplers in run_ranks(everything_seen, group=False):
        assert plain == {0}
        shared = {(dispatch, method): {1 if dispatch is False else 2} for dispatch, method in iterables}
        assert iterables == shared
        assert samplers == ["accelerate.data_loader.BatchSamplerShard"] * 3


@pytest.mark.parametrize("integration", [accelerate, lightning, transformers])
def test_the_installed_releases_have_what_is_known_of_them(integration: Any) -> None:
    """Where this fails, a new release does otherwise: look at what its loops read, then at `aistorch.integrations`."""
    pytest.importorskip(integration.MODULES[0].partition(".")[0], reason="pip install 'aistorch[test]'")
    module = import_module(integration.MODULES[0])
    for name in (*integration.SHARE_AMONG_RANKS, *integration.COUNT_ITERATIONS):
        assert isinstance(getattr(module, name), type)


def test_the_installed_lightning_notes_indices_by_the_class_that_is_known() -> None:
    overrides = pytest.importorskip("lightning.pytorch.overrides.distributed", reason="pip install 'aistorch[test]'")
    wrapper = overrides._IndexBatchSamplerWrapper(batches := AskingBatches(SequentialSampler(range(8)), 2, False))
    assert lightning.predicted_batches(wrapper) is batches
    assert lightning.predicted_batches(batches) is None


def test_a_class_that_a_release_has_no_more_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = SimpleNamespace(SHARE_AMONG_RANKS=("GoneSince",))
    monkeypatch.setattr(drivers, "_MODULES", {drivers.__name__: gone})
    drivers._methods.cache_clear()
    with pytest.warns(AIStorchWarning, match="has no GoneSince"):
        assert outer_rank_split() == ""
