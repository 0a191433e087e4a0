"""`aistorch order`: who reads what, when."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_WIDTH = 130


def order(
    objects: Annotated[int, typer.Option(min=0, help="How many objects an epoch has.")],
    ranks: Annotated[int, typer.Option(min=1, help="Processes that train.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Workers of each rank's DataLoader; 0: it reads itself.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples a batch.")] = 1,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Another order each epoch.")] = False,
    seed: Annotated[int, typer.Option(help="What the order depends on besides the epoch.")] = 0,
    epoch: Annotated[int, typer.Option(min=0, help="Which epoch.")] = 0,
    even: Annotated[str, typer.Option(metavar="pad|drop|off", help="How ranks get as many samples each.")] = "pad",
    drop_last: Annotated[bool, typer.Option("--drop-last", help="Leave out a rank's last, shorter batch.")] = False,
    start: Annotated[int, typer.Option(min=0, help="How many samples were read before, in a resumed epoch.")] = 0,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw who reads each position.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as SVG.")] = None,
) -> None:
    """Shows which objects each worker of each rank reads, in which batches: what the datasets compute, and no network.

    Batch 7: 28-31 is the eighth batch of all ranks together; 28-31 are the numbers of objects in the listing.
    """
    # Imported here, so that `aistorch --help` need not wait for numpy.
    from aistorch.cli.order_report import Reading, table, totals
    from aistorch.order.partition import Deal

    deal = Deal(objects, batch_size, ranks, even, drop_last, start)  # type: ignore[arg-type]
    reading = Reading(deal, max(1, workers), (seed, epoch) if shuffle else None)
    # A table in a file need not fit a terminal.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    console.print(table(reading))
    console.print(totals(reading))
    for path, kind in ((png, "png"), (svg, "svg")):
        if path is not None:
            from aistorch.cli.order_picture import draw

            draw(reading, path, kind)
            console.print(f"drawn: {path}", soft_wrap=True)
