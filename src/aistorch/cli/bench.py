"""`aistorch bench`: what reading costs, side by side with the SDK's plugin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_WIDTH = 130


def bench(
    endpoint: Annotated[
        str | None,
        typer.Option(envvar="AIS_ENDPOINT", help="Your own cluster; without it an embedded AIStore is started."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small buckets: shows that it works, and little else.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A workload, or several: iterate-*; may be given several times."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns of each contender; 3 by default, 1 with --quick.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep all measurements, as JSON.")] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a bar chart (.png, .svg).")] = None,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Remove the buckets aistorch-bench-... of earlier runs, and do nothing else."),
    ] = False,
) -> None:
    """Measures aistorch and the SDK's plugin side by side, and wrk where it is installed.

    Buckets aistorch-bench-... are made where they are missing, and kept for the next time.
    """
    # Imported here, so that `aistorch --help` need not wait for it.
    from aistorch.bench.buckets import remove
    from aistorch.bench.servers import server
    from aistorch.bench.session import Options, run

    # A table in a file need not fit a terminal.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    with server(endpoint) as address:
        if clean:
            for name in remove(address):
                console.print(f"removed {name}")
            return
        options = Options(tuple(only or ()), rounds or (1 if quick else 3), quick, json, chart)
        results = run(address, options, console)
    if results.failed:
        raise typer.Exit(1)
