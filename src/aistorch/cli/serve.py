"""`aistorch serve`: an embedded AIStore until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from aistorch.errors import InvalidArgumentError, MissingExtraError

if TYPE_CHECKING:
    from aistorch.server.serve import RunningServer


def serve(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Where the data is kept; without it in a temporary folder, gone in the end."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Whoever reaches it may read and change everything.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name by which clients may call it; may be given several times."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the proxy; 0 takes a free one.")] = 51080,
    targets: Annotated[int, typer.Option(min=1, help="How many targets, each on a free port of its own.")] = 1,
    bucket: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A bucket to be there, e.g. aws://name; may be given several times."),
    ] = None,
    etl: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODULE:FUNCTION",
            help="An ETL: a function from bytes to bytes, found from this folder or installed, e.g. "
            "resize=package.module:function; with a parameter etl_args it gets the arguments of each read. "
            "May be given several times.",
        ),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Run ETLs whose code clients send: it can do whatever you can."),
    ] = False,
) -> None:
    """Runs an embedded AIStore until Ctrl-C; unless told otherwise, only this machine reaches it."""
    try:
        from aistorch.server.etl_code import parse_option
        from aistorch.server.serve import ServeOptions, run
    except ModuleNotFoundError as error:
        raise MissingExtraError("server", "aistorch serve") from error

    options = ServeOptions(
        dir=directory,
        host=host,
        names=tuple(allow_host or ()),
        port=port,
        targets=targets,
        buckets=tuple(bucket or ()),
        etls=dict(map(parse_option, etl or ())),
        allow_code=allow_code,
    )
    try:
        run(options, _announce)
    except OSError as error:
        raise InvalidArgumentError(str(error)) from error


async def _announce(server: RunningServer) -> None:
    console = Console(soft_wrap=True)
    console.print(f"AIStore at [bold]{server.endpoint}[/], data in {server.root}, Ctrl-C to end")
    console.print(f"  export AIS_ENDPOINT={server.endpoint}")
    await asyncio.Event().wait()
