"""Where a run was made, as far as its figures depend on it: no names of hosts, users or folders."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from aistorch.bench.wrk import wrk_version

_PACKAGES = ("aistorch", "aistore", "torch", "numpy", "requests", "webdataset")


def describe_machine() -> dict[str, str | int]:
    """Processor, memory, system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def describe_versions() -> dict[str, str]:
    """Of the interpreter, the packages that matter, and wrk where it is installed."""
    packages = {name: _version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages, "wrk": wrk_version()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return found[1] if found else platform.machine()
