"""`aistorch index-shards`: indices beside shards that have none."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from aistorch.errors import NoEndpointError


def index_shards(
    url: Annotated[str, typer.Argument(help="ais://bucket/prefix with TAR shards.")],
    endpoint: Annotated[
        str | None, typer.Option(envvar="AIS_ENDPOINT", help="The cluster's proxy, e.g. http://host:8080.")
    ] = None,
) -> None:
    """Writes an index beside each TAR shard that has none, or an outdated one; each such shard is read once.

    With indices, ranks and workers read the samples of shards by their positions, and training goes on with any number
    of them. Compressed shards cannot have one.
    """
    # Imported here, so that `aistorch --help` need not wait for it.
    from aistorch.shards.index_writer import write_indices

    console = Console(soft_wrap=True, highlight=False)
    if not endpoint:
        raise NoEndpointError("where is the cluster? Give --endpoint http://host:8080, or set AIS_ENDPOINT")
    written = kept = problems = 0
    for each in write_indices(url, endpoint):
        if each.problem:
            problems += 1
            console.print(f"[red]no index:[/] {escape(each.problem)}")
        elif each.written:
            written += 1
            console.print(f"{escape(each.shard)}  {each.samples:,} samples")
        else:
            kept += 1
    console.print(f"wrote {written:,} indices; {kept:,} were there already")
    if problems:
        raise typer.Exit(1)
