"""The pages of the documentation, and the code that stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+?) -->\n+$", re.DOTALL)
_SHELL = ("bash", "console", "sh")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The file.
        line: The first line of the code there.
        language: What stands behind the fence.
        code: What stands in it.
        not_run: Why it is not run; "" where it is.
    """

    page: Path
    line: int
    language: str
    code: str
    not_run: str


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text, found = page.read_text(), []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        reason = _NOT_RUN.search(before)
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        line = before.count("\n") + 2
        found.append(Block(page, line, match["language"], code, reason["reason"] if reason else ""))
    return found


def python_blocks(page: Path) -> list[Block]:
    """Those to be run."""
    return [block for block in blocks(page) if block.language == "python" and not block.not_run]


def commands(page: Path) -> list[str]:
    """The lines that a reader types into a shell; one that goes on behind a backslash is one."""
    lines = [
        line.removeprefix("$ ").strip()
        for block in blocks(page)
        if block.language in _SHELL
        for line in block.code.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line and not line.startswith("#")]
