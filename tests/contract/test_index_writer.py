"""Indices written beside shards of other programs."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from aistore.sdk import Bucket

from aistorch import AISShardReader
from aistorch.errors import InvalidArgumentError
from aistorch.shards.index_writer import write_indices
from tests.support.objects import put_all
from tests.support.shards import files_of
from tests.support.tars import pack

if TYPE_CHECKING:
    from tests.contract.conftest import Server

SHARDS = {f"train/{number}.tar": pack(files_of(f"s{number}", 3 + number, ("x", "y"))) for number in range(3)}


def url_of(bucket: Bucket) -> str:
    return f"ais://{bucket.name}/train/"


def test_shards_with_indices_can_be_gone_on_with_by_any_number(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, SHARDS)
    before = AISShardReader(bucket)
    assert not before.counts_samples
    expected = [*islice(before, 99)]
    done = list(write_indices(url_of(bucket), ais.endpoint))
    assert [(each.samples, each.written) for each in done] == [(3, True), (4, True), (5, True)]
    after = AISShardReader(bucket)
    assert after.counts_samples
    assert [*islice(after, 99)] == expected
    # Once more, nothing is written.
    assert not any(each.written for each in write_indices(url_of(bucket), ais.endpoint))


def test_an_outdated_index_is_written_anew(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, SHARDS)
    list(write_indices(url_of(bucket), ais.endpoint))
    put_all(bucket, {"train/1.tar": pack(files_of("new", 8, ("x",)))})
    with pytest.warns(match="earlier version"):
        done = list(write_indices(url_of(bucket), ais.endpoint))
    assert [each.written for each in done] == [False, True, False]
    assert done[1].samples == 8


def test_what_cannot_have_an_index_is_told(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, {**SHARDS, "train/3.tar.gz": gzip.compress(SHARDS["train/0.tar"])})
    done = list(write_indices(url_of(bucket), ais.endpoint))
    assert [each.written for each in done] == [True, True, True, False]
    assert "compressed" in done[3].problem


def test_the_command(ais: Server, bucket: Bucket) -> None:
    put_all(bucket, SHARDS)
    run = [sys.executable, "-c", "from aistorch.cli.main import run; run()", "index-shards", url_of(bucket)]
    ended = subprocess.run(
        run, env={**os.environ, "AIS_ENDPOINT": ais.endpoint}, capture_output=True, text=True, timeout=100, check=True
    )
    assert ended.stdout.splitlines()[-1] == "wrote 3 indices; 0 were there already"


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        list(write_indices("nowhere", "http://127.0.0.1:1"))
