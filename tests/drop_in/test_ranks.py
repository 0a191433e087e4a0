"""Scripts for the plugin share samples among ranks by hand, so each rank has to find all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aistore.sdk import Bucket, DataShard

import aistorch
from aistorch.legacy import plugin
from tests.contract.conftest import Server
from tests.drop_in.test_scripts import environment
from tests.support.objects import new_bucket
from tests.support.shards import files_of, shard_bucket

CONTENTS = {f"o{number:02}": b"x" * (number + 1) for number in range(30)}

SHARDS_BY_HAND = """
import json, os, sys
from itertools import islice
from aistore.pytorch import AISIterDataset
from aistore.sdk import Client
from torch.utils.data import DataLoader

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
dataset = AISIterDataset(ais_source_list=Client(os.environ["AIS_ENDPOINT"]).bucket(sys.argv[1]))
by_hand = [name for name, _ in islice(dataset, rank, None, world)]
by_workers = [name for names, _ in DataLoader(dataset, batch_size=4, num_workers=2) for name in names]
print(json.dumps({"by_hand": by_hand, "by_workers": by_workers, "length": len(dataset)}))
"""


def test_a_script_that_shares_by_hand_reads_all(ais: Server, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SHARDS_BY_HAND)
    with new_bucket(ais.client(), CONTENTS) as bucket:
        command = [sys.executable, "-m", "aistorch.legacy", str(script), bucket.name]
        ranks = [
            subprocess.Popen(
                command,
                env=environment(ais.endpoint) | {"RANK": str(rank), "WORLD_SIZE": "2"},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        found = [json.loads(process.communicate(timeout=100)[0]) for process in ranks]
    assert sorted(found[0]["by_hand"] + found[1]["by_hand"]) == sorted(CONTENTS)
    for rank in found:
        assert sorted(rank["by_workers"]) == sorted(CONTENTS)
        assert rank["length"] == len(CONTENTS)


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")


@pytest.mark.usefixtures("second_of_two")
def test_each_rank_gets_all_of_every_kind(ais: Server) -> None:
    client = ais.client()
    with new_bucket(client, CONTENTS) as bucket, shard_bucket(client, {"0.tar": files_of("a", 5, ("x",))}) as shards:
        makers: dict[str, tuple[Any, int]] = {
            "AISIterDataset": (bucket, 30),
            "AISBatchIterDataset": (bucket, 30),
            "AISShardReader": (shards, 5),
            "AISMultiShardStream": ([DataShard(ais.endpoint, shards.name)], 5),
        }
        for name, (source, count) in makers.items():
            theirs, ours = getattr(plugin, name)(source), getattr(aistorch, name)(source)
            assert len([*islice(theirs, 99)]) == len(theirs) == count
            assert len([*islice(ours, 99)]) == len(ours) == -(-count // 2)
        batches = plugin.DynamicBatchSampler(aistorch.AISMapDataset(bucket), max_batch_size=40)
        assert sorted(index for batch in batches for index in batch) == list(range(30))


@pytest.mark.usefixtures("second_of_two")
def test_who_gives_a_rank_gets_its_part(ais: Server) -> None:
    with new_bucket(ais.client(), CONTENTS) as bucket:
        own = plugin.AISIterDataset(bucket, rank=0, world_size=3)
        assert len([*islice(own, 99)]) == 10


@pytest.mark.usefixtures("second_of_two")
def test_a_subclass_written_for_the_plugin_gets_all(ais: Server) -> None:
    class Own(plugin.AISBaseIterDataset):
        def __iter__(self) -> Any:
            self._reset_iterator()
            objects, _ = self._get_worker_iter_info()
            return (each.name for each in objects)

    def names(bucket: Bucket) -> list[str]:
        return [*islice(Own(bucket), 99)]

    with new_bucket(ais.client(), CONTENTS) as bucket:
        assert names(bucket) == sorted(CONTENTS)
