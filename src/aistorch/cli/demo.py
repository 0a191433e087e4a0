"""`aistorch demo`: from images to a trained network, fed by AIStore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

_OWN_CLUSTER = "AIS_ENDPOINT=http://your-proxy:51080"


def demo(
    endpoint: Annotated[
        str | None,
        typer.Option(envvar="AIS_ENDPOINT", help="Your own cluster; without it an embedded AIStore is started."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often the network sees each image.")] = 10,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read and decode.")] = 2,
) -> None:
    """Trains a small network on 1,797 handwritten digits that are read from AIStore."""
    # Imported here, so that `aistorch --help` need not wait for torch.
    from aistorch.demo.job import run

    console = Console()
    with _server(endpoint) as address:
        console.print(f"AIStore at [bold]{address}[/], {'your own' if endpoint else 'embedded'}")
        outcome = run(address, epochs, workers)
    table = Table.grid(padding=(0, 2))
    table.add_row("samples a second", f"[bold]{outcome.samples_per_second:,.0f}[/]")
    table.add_row("accuracy on the held-out part", f"[bold]{outcome.accuracy:.1%}[/]")
    console.print(table)
    if not endpoint:
        console.print("the same on your own cluster:")
        for command in ("make demo", "aistorch demo"):
            console.print(f"  [bold]{_OWN_CLUSTER} {command}[/]", soft_wrap=True)


@contextmanager
def _server(endpoint: str | None) -> Iterator[str]:
    """The endpoint asked for, or that of an embedded server that lives as long as the context."""
    if endpoint:
        yield endpoint
        return
    from aistorch.server import EmbeddedAIStore

    with EmbeddedAIStore() as server:
        yield server.endpoint
