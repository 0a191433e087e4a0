"""`python -m aistorch.server`: the server in the foreground.

With `--attached` it writes a line of JSON to stdout when it is ready, obeys commands on stdin (`control`), and ends
when stdin does or when its parent dies; so `EmbeddedAIStore` runs it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from aistorch.errors import InvalidArgumentError
from aistorch.server.control import attend
from aistorch.server.etl_code import parse_option
from aistorch.server.serve import RunningServer, ServeOptions, run

TOKEN_VARIABLE = "AISTORCH_SERVER_TOKEN"  # noqa: S105  # the variable's name


def main() -> None:
    """Parses arguments and serves."""
    parser = argparse.ArgumentParser(prog="python -m aistorch.server", description="An embedded AIStore.")
    parser.add_argument("--dir", type=Path, help="where the data is kept; default: a temporary folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: %(default)s)")
    parser.add_argument("--allow-host", action="append", default=[], help="another name by which clients may call it")
    parser.add_argument("--port", type=int, default=0, help="port of the proxy; 0 takes a free one")
    parser.add_argument("--targets", type=int, default=1, help="how many targets (default: %(default)s)")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to be there, e.g. aws://name")
    parser.add_argument("--cert", type=Path, help="certificate (PEM) for HTTPS")
    parser.add_argument("--key", type=Path, help="its private key")
    parser.add_argument(
        "--token", default=os.environ.get(TOKEN_VARIABLE), help=f"wanted of clients (default: ${TOKEN_VARIABLE})"
    )
    parser.add_argument("--etl", action="append", default=[], help="an ETL, NAME=package.module:function")
    parser.add_argument("--allow-code", action="store_true", help="run ETLs whose code clients send")
    parser.add_argument("--attached", action="store_true", help="live and die with the parent process")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        etls = dict(map(parse_option, given.etl))
    except InvalidArgumentError as error:
        parser.error(str(error))
    options = ServeOptions(
        dir=given.dir,
        host=given.host,
        names=tuple(given.allow_host),
        port=given.port,
        targets=given.targets,
        buckets=tuple(given.bucket),
        cert=given.cert,
        key=given.key,
        token=given.token,
        etls=etls,
        allow_code=given.allow_code,
    )
    run(options, attend if given.attached else _announce)


async def _announce(server: RunningServer) -> None:
    sys.stderr.write(f"AIStore at {server.endpoint}, data in {server.root}, Ctrl-C to end\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
