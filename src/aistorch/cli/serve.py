"""`aistorch serve`: an embedded AIStore until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def serve(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Where the data is kept; without it in a temporary folder, gone in the end."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the proxy; 0 takes a free one.")] = 51080,
    targets: Annotated[int, typer.Option(min=1, help="How many targets, each on a free port of its own.")] = 1,
    bucket: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A bucket to be there, e.g. aws://name; may be given several times."),
    ] = None,
) -> None:
    """Runs an embedded AIStore, reachable from this machine only, until Ctrl-C."""
    from aistorch.server import EmbeddedAIStore

    stop = threading.Event()
    # Before the server starts, so that a signal at any moment leads to an orderly end.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    console = Console()
    with EmbeddedAIStore(directory, port=port, targets=targets, buckets=bucket or ()) as server:
        console.print(f"AIStore at [bold]{server.endpoint}[/], Ctrl-C to end", soft_wrap=True)
        console.print(f"  export AIS_ENDPOINT={server.endpoint}", soft_wrap=True)
        stop.wait()
    console.print("ended")
