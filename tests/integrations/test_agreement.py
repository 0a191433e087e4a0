"""Two real ranks whose loaders do not agree: noticed, and not a silent mixture."""

from __future__ import annotations

import warnings
from typing import Any

from aistorch import AISDataLoader, AISIterDataset, AISMapDataset
from aistorch.errors import RanksDisagreeError, RanksDisagreeWarning
from tests.support.ranks import run_ranks
from tests.support.trainers import COUNT


def loaders(url: str, seed: int = 0) -> list[AISDataLoader[Any]]:
    def names(samples: list[Any]) -> list[str]:
        return [name for name, _ in samples]

    return [
        AISDataLoader(AISIterDataset(urls_list=url, shuffle=True, seed=seed), 2, collate_fn=names),
        AISDataLoader(AISMapDataset(urls_list=url), 2, shuffle=True, collate_fn=names),
    ]


def told(rank: int, url: str) -> dict[str, Any]:
    """What a rank is told where the other one does something else."""
    found: dict[str, Any] = {"agreed": [len(list(loader)) for loader in loaders(url)]}
    try:
        list(loaders(url, seed=rank)[0])
    except RanksDisagreeError as error:
        found["seed"] = str(error)
    for kind, loader in zip(("iterable", "map"), loaders(url), strict=True):
        list(loader)
        if rank == 0:
            next(iter(loader))
        # So that the other rank has begun its next epoch when this one looks.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _in_step(loader)
        found[kind] = [str(each.message) for each in caught if each.category is RanksDisagreeWarning]
    alone = AISDataLoader(AISMapDataset(urls_list=url), 2, batch_sampler=None, shuffle=rank == 0, collate_fn=len)
    if rank == 0:  # whoever reads something that the others do not read does not wait for them
        found["alone"] = len([*zip(alone, range(3), strict=False)])
    return found


def _in_step(loader: Any) -> None:
    from torch import distributed

    for _ in loader:
        distributed.barrier()


def rank_told(url: str, endpoint: str) -> dict[str, Any]:
    import os

    os.environ["AIS_ENDPOINT"] = endpoint
    return told(int(os.environ["RANK"]), url)


def test_ranks_that_differ_are_told(endpoint: str) -> None:
    first, second = run_ranks(rank_told, "ais://data/objects/", endpoint)
    assert first["agreed"] == second["agreed"] == [-(-COUNT // 4)] * 2
    texts = [found["seed"] for found in (first, second) if "seed" in found]
    assert len(texts) == 1  # the one that came later
    assert "seed is" in texts[0]
    for kind in ("iterable", "map"):
        texts = first[kind] + second[kind]
        assert texts
        assert all("epoch 2" in text and "epoch 1" in text for text in texts)
    assert first["alone"] == 3
