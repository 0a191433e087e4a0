"""`aistorch shard`: a folder or a bucket of small files, packed into shards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from aistorch.cli.sizes import parse_size, show_size
from aistorch.errors import NoEndpointError

if TYPE_CHECKING:
    from aistorch.shards.destination import Destination
    from aistorch.shards.pack_plan import Plan
    from aistorch.shards.pack_source import PackSource

_PROBLEMS_SHOWN = 20


def shard(
    source: Annotated[str, typer.Argument(help="A folder, or ais://bucket/prefix with small objects.")],
    destination: Annotated[str, typer.Argument(help="ais://bucket/prefix; the prefix is a folder for the shards.")],
    max_size: Annotated[
        int, typer.Option(parser=parse_size, metavar="SIZE", help="Bytes of a shard at most, e.g. 256MB.")
    ] = "256MiB",  # type: ignore[assignment]  # as if it were given
    max_count: Annotated[int | None, typer.Option(min=1, help="Samples in a shard, at most.")] = None,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Pack samples in random order.")] = False,
    seed: Annotated[int, typer.Option(help="Another number, another random order.")] = 0,
    endpoint: Annotated[
        str | None, typer.Option(envvar="AIS_ENDPOINT", help="The cluster's proxy, e.g. http://host:8080.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all shards back, and hold each file against its source.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace shards that are there already.")] = False,
) -> None:
    """Packs small files into TAR shards, with an index of its files beside each.

    Files whose names are the same up to the first dot make a sample: a/1.jpg and a/1.cls are two files of a/1.
    """
    # Imported here, so that `aistorch --help` need not wait for it.
    from aistorch.progress import Progress
    from aistorch.shards.destination import DEFAULT_PATTERN, Destination
    from aistorch.shards.pack import check_destination, pack
    from aistorch.shards.pack_plan import plan_shards
    from aistorch.shards.pack_source import pack_source, some

    console = Console(soft_wrap=True, highlight=False)
    if not endpoint:
        raise NoEndpointError("where is the cluster? Give --endpoint http://host:8080, or set AIS_ENDPOINT")
    target = Destination.of(destination, "", DEFAULT_PATTERN, endpoint, "aistorch shard")
    files = pack_source(source, endpoint)
    plan = plan_shards(files, target, max_count, max_size, seed if shuffle else None)
    for line in plan.left_out:
        console.print(f"left out: {escape(line)}")
    others = check_destination(files, plan, target, overwrite)
    if dry_run:
        _show_plan(console, plan, target)
        return
    with Progress(True, "packing", total=plan.samples, unit="samples") as progress:
        packed = pack(files, plan, target, progress)
    console.print(f"wrote {_summary(plan)} to {escape(str(target))}")
    if others:
        console.print(f"left as they were, beside these: {escape(some(others))}")
    if verify:
        _verify(console, files, plan, packed.checksums, target)


def _show_plan(console: Console, plan: Plan, destination: Destination) -> None:
    for each in plan.shards:
        console.print(f"{escape(each.name)}  {_count(len(each.samples), 'sample')}  {show_size(each.size)}")
    console.print(f"would write {_summary(plan)} to {escape(str(destination))}")


def _summary(plan: Plan) -> str:
    samples, files = _count(plan.samples, "sample"), _count(plan.files, "file")
    return f"{samples} ({files}) in {_count(len(plan.shards), 'shard')}, {show_size(plan.size)},"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _verify(
    console: Console, source: PackSource, plan: Plan, checksums: Sequence[int], destination: Destination
) -> None:
    from aistorch.progress import Progress
    from aistorch.shards.pack_verify import verify

    with Progress(True, "verifying", total=plan.samples, unit="samples") as progress:
        problems = list(verify(source, plan, checksums, destination, progress))
    for problem in islice(problems, _PROBLEMS_SHOWN):
        console.print(f"[red]wrong:[/] {escape(problem)}")
    if problems:
        console.print(f"[red]{_count(len(problems), 'problem')} in the shards that were written[/]")
        raise typer.Exit(1)
    console.print(f"verified: all {plan.files:,} files are as in the source")
