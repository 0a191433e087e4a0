"""Runs scripts one after another in this process, and puts a line with its name before what each prints.

python run_all.py SCRIPT...
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    for script in sys.argv[1:]:
        print(f"== {Path(script).name}")
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
