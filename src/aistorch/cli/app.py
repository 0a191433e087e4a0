"""The subcommands, put together."""

from __future__ import annotations

import typer

from aistorch.cli.bench import bench
from aistorch.cli.demo import demo
from aistorch.cli.index_shards import index_shards
from aistorch.cli.order import order
from aistorch.cli.serve import serve
from aistorch.cli.shard import shard

app = typer.Typer(
    help="Streams training data from AIStore into PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(demo)
app.command()(bench)
app.command()(shard)
app.command()(index_shards)
app.command()(order)
