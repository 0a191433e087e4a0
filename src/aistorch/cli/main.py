"""Entry point of the command `aistorch`; needs nothing beyond the core until typer is known to be there."""

from __future__ import annotations

import sys

from aistorch.errors import AIStorchError, MissingExtraError


def run() -> None:
    """Runs the command line and ends the process; what is wrong is told in a line, not in a traceback."""
    try:
        _run()
    except AIStorchError as error:
        sys.exit(f"aistorch: {error}")


def _run() -> None:
    try:
        from aistorch.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("typer", "rich"):
            raise MissingExtraError("cli", "the command aistorch") from error
        raise
    app()
