"""`aistorch order`: the table and the picture say what the datasets do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aistorch.cli.app import app
from aistorch.cli.order_picture import owners
from aistorch.cli.order_report import Reading, table, totals
from aistorch.errors import InvalidArgumentError
from aistorch.order.partition import Deal
from aistorch.order.permutation import epoch_permutation
from tests.cli.command import run


def order(options: str) -> str:
    """What it prints; what it raises, the command turns into a line."""
    ended = CliRunner().invoke(app, ["order", *options.split()])
    if ended.exception is not None:
        raise ended.exception
    return ended.stdout


def rows(text: str) -> list[list[str]]:
    """The cells of the table."""
    found = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")
    ]
    return [row for row in found if row[0]]


def cells(reading: Reading) -> list[list[str]]:
    return list(map(list, zip(*(list(map(str, column.cells)) for column in table(reading).columns), strict=True)))


def test_each_worker_has_a_row_with_its_batches() -> None:
    text = order("--objects 26 --ranks 3 --workers 2 --batch-size 4")
    assert rows(text) == [
        ["0", "0", "2", "5", "0: 0-3 | 6: 24"],
        ["0", "1", "1", "4", "3: 12-15"],
        ["1", "0", "2", "5", "1: 4-7 | 7: 25"],
        ["1", "1", "1", "4", "4: 16-19"],
        ["2", "0", "2", "5", "2: 8-11 | 8: 0"],
        ["2", "1", "1", "4", "5: 20-23"],
    ]
    assert "27 samples: repeated 1, left out 0" in text


def test_all_options_reach_the_deal() -> None:
    options = "--objects 50 --ranks 2 --batch-size 4 --shuffle --seed 9 --epoch 3 --even drop --drop-last --start 8"
    text = order(options)
    assert "shuffled by seed 9 in epoch 3" in re.sub(r"\s+", " ", text)
    assert "8 were read before; 40 samples: repeated 0, left out 2" in text
    first = epoch_permutation(50, 9, 3)(range(8, 12)).tolist()
    assert rows(text)[0][:4] == ["0", "0", "5", "20"]
    assert rows(text)[0][4].startswith(f"0: {' '.join(map(str, first))} | 2: ")


@pytest.mark.parametrize(("kind", "head"), [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml")])
def test_a_picture_is_drawn_where_asked(kind: str, head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "picture"
    order(f"--objects 60 --ranks 2 --batch-size 4 --shuffle --{kind} {path}")
    assert path.read_bytes().startswith(head)
    if kind == "svg":  # matplotlib notes every text beside its outline
        text = path.read_text()
        assert all(f"<!-- {number} -->" in text for number in range(60))
        assert "<!-- 60 objects, shuffled, ranks 2, workers 1, batches of 4, even=pad -->" in text
        assert "<!-- rank 1 -->" in text


def test_without_matplotlib_the_extra_is_named() -> None:
    ended = run("order", "--objects", "5", "--png", "a.png", without="matplotlib")
    assert ended.returncode == 1
    assert "pip install 'aistorch[bench]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"even is 'maybe'.*pad, drop, off"):
        order("--objects 5 --even maybe")


def test_large_epochs_are_abbreviated() -> None:
    found = cells(Reading(Deal(10**12, 256, 512), 8, (0, 0)))
    assert len(found) == 40
    assert found[-2] == ["..."] * 5
    assert [row[:2] for row in (found[0], found[-1])] == [["0", "0"], ["511", "7"]]
    batches = found[0][4].split(" | ")
    last = (Deal(10**12, 256, 512).batches_of(0) - 1) // 8 * 8  # the last of rank 0 that is worker 0's
    assert [text.partition(":")[0] for text in batches] == ["0", "4096", "...", str(last * 512)]
    assert batches[0].split()[-2] == "..."


@pytest.mark.parametrize("even", ["pad", "drop", "off"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_the_figures_add_up(even: str, drop_last: bool) -> None:
    for count, start in ((0, 0), (3, 0), (23, 0), (24, 0), (50, 7), (64, 80)):
        deal = Deal(count, 3, 4, even, drop_last, start)  # type: ignore[arg-type]
        read = [
            [int(each) for part in deal.positions(rank, worker, 2) for each in part]
            for rank in range(4)
            for worker in range(2)
        ]
        found = cells(Reading(deal, 2, None))
        assert [int(row[3]) for row in found] == [len(part) for part in read]
        positions = [position for part in read for position in part]
        left = set(range(start, count))
        said = [int(number) for number in re.findall(r"\d+", totals(Reading(deal, 2, None)).rpartition(";")[2])]
        assert said == [len(positions), len(positions) - len(left & set(positions)), len(left - set(positions))]


def test_the_picture_has_each_position_in_the_colour_of_its_reader() -> None:
    deal = Deal(40, 3, 2, "drop", start=5)
    ranks, workers = owners(Reading(deal, 2, None), 40)
    for rank in range(2):
        for worker in range(2):
            read = np.concatenate(list(deal.positions(rank, worker, 2))) - 5
            assert np.array_equal(np.flatnonzero((ranks == rank) & (workers == worker)), np.sort(read))
    assert ranks[-1] == -1  # left out
    assert (owners(Reading(Deal(10**9, 2, 3), 1, None), 12)[0] == [0, 0, 1, 1, 2, 2] * 2).all()
