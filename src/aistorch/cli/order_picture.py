"""Who reads what, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aistorch.cli.order_report import Reading
from aistorch.errors import MissingExtraError

_WIDEST, _ROWS = 400, 60
_CELLS_WITH_TEXT, _RANKS_IN_LEGEND = 240, 16
_NOBODY = (0.1, 0.1, 0.1)


def draw(reading: Reading, path: Path, kind: str) -> None:
    """Draws a cell for each position of the epoch, a row for each round, in the colour of who reads it.

    Args:
        reading: The epoch.
        path: The file.
        kind: "png" or "svg".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError as error:
        raise MissingExtraError("bench", "aistorch order with a picture") from error

    deal = reading.deal
    width = min(deal.ranks * deal.batch_size, _WIDEST)
    shown = min(deal.count, deal.start + width * _ROWS)
    ranks, workers = owners(reading, shown)
    hues = colormaps["tab10" if deal.ranks <= 10 else "tab20"]
    colours = np.array([hues(rank % hues.N)[:3] for rank in range(deal.ranks)])
    # The workers of a rank are shades of its colour.
    pale = (workers / (1.6 * reading.workers))[:, None]
    cells = np.where(ranks[:, None] < 0, _NOBODY, colours[ranks] * (1 - pale) + pale)
    rows = max(1, -(-len(cells) // width))
    image = np.ones((rows * width, 3))
    image[: len(cells)] = cells

    figure = Figure(figsize=(11, 1.8 + min(7.0, 0.32 * rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image.reshape(rows, width, 3), aspect="auto", interpolation="nearest")
    if len(cells) <= _CELLS_WITH_TEXT:
        positions = np.arange(deal.start, shown)
        for cell, number in enumerate(reading.objects(positions)):
            axes.text(cell % width, cell // width, str(number), ha="center", va="center", fontsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"position in its row, {width:,} a row; paler: workers with higher numbers; black: nobody")
    axes.set_ylabel(f"row of the epoch, from position {deal.start:,} on")
    axes.set_title(_title(reading, shown), fontsize=10)
    legend = [Patch(color=colours[rank], label=f"rank {rank}") for rank in range(min(deal.ranks, _RANKS_IN_LEGEND))]
    figure.legend(handles=legend, loc="outside lower center", ncols=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, format=kind)


def owners(reading: Reading, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank and worker of each position from the start of the deal to `stop`, -1 and 0 where nobody reads it.

    What is read twice is the first reader's.
    """
    start = reading.deal.start
    ranks = np.full(max(0, stop - start), -1, dtype=np.int64)
    workers = np.zeros_like(ranks)
    for rank in range(reading.deal.ranks):
        for worker in range(reading.workers):
            for positions in reading.deal.positions(rank, worker, reading.workers):
                cells = positions[(positions >= start) & (positions < stop)] - start
                new = cells[ranks[cells] < 0]
                ranks[new], workers[new] = rank, worker
                if positions[0] >= stop:
                    break
    return ranks, workers


def _title(reading: Reading, shown: int) -> str:
    deal = reading.deal
    part = "" if shown == deal.count else f", positions {deal.start:,} to {shown - 1:,}"
    shuffled = "" if reading.shuffled_by is None else ", shuffled"
    return (
        f"{deal.count:,} objects{shuffled}, ranks {deal.ranks:,}, workers {reading.workers:,}, "
        f"batches of {deal.batch_size:,}, even={deal.even}{part}"
    )
