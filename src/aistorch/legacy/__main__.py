"""`python -m aistorch.legacy script.py ARGUMENTS`: a script for `aistore.pytorch`, run over this package as it is."""

from __future__ import annotations

import sys
from pathlib import Path

from aistorch.legacy.run import run_script

USAGE = "usage: python -m aistorch.legacy SCRIPT [ARGUMENTS...]"


def main() -> None:
    """What the command does."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"{USAGE}\n\n{__doc__}")
    script, *arguments = sys.argv[1:]
    if not Path(script).is_file():
        sys.exit(f"there is no script {script}\n{USAGE}")
    run_script(script, arguments)


if __name__ == "__main__":
    main()
