"""What the documentation shows works: its Python is run, its commands exist with their options.

The blocks of a page are run in order, in one namespace, as one script would be; where every `print` of a block tells in
a comment what it prints, that is what it must print. A block that is not run has a line before it that says why:
`<!-- not run: ... -->`.
"""

from __future__ import annotations

import ast
import io
import multiprocessing
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import aistorch
from aistorch.cli.app import app
from aistorch.server import EmbeddedAIStore
from tests.docs.pages import DOCS, PAGES, ROOT, Block, commands, python_blocks

ENDPOINT = "http://localhost:51080"
COMMAND: Any = typer.main.get_command(app)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def forked_workers() -> Iterator[None]:
    """Workers know what the script defines, as where it is a file, of which there is none here."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.fixture
def script(
    documented_server: EmbeddedAIStore, forked_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The main module that a page's code is run in, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIS_ENDPOINT", documented_server.endpoint)
    for variable in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(variable, raising=False)
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=title)
def test_python(page: Path, script: ModuleType, documented_server: EmbeddedAIStore) -> None:
    for block in python_blocks(page):
        code = block.code.replace(ENDPOINT, documented_server.endpoint)
        printed = io.StringIO()
        with redirect_stdout(printed):
            # Empty lines before it, so that an error tells the line of the page.
            exec(compile("\n" * (block.line - 1) + code, page, "exec"), vars(script))
        expected = promised(block)
        if expected is not None:
            assert printed.getvalue().splitlines() == expected, f"{page.name}:{block.line}"


def promised(block: Block) -> list[str] | None:
    """What a block says that it prints; None where it does not say it of all."""
    calls = [node for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.Call)]
    prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    lines = block.code.splitlines()
    comments = [lines[(call.end_lineno or 1) - 1].partition("  # ")[2] for call in prints]
    return comments if comments and all(comments) else None


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=title)
def test_commands(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line, comments=True)
        while words and _ASSIGNMENT.fullmatch(words[0]):
            del words[0]
        check(words, line)


def check(words: list[str], line: str) -> None:
    """A command that is the project's exists, and takes what it is given."""
    if words[:1] == ["aistorch"] and words[1:] not in (["--help"], []):
        name, *arguments = words[1:]
        assert name in COMMAND.commands, line
        if "--help" not in arguments:
            COMMAND.commands[name].make_context(name, arguments)
    elif words[:2] == ["python", "-m"] and words[2].startswith("aistorch"):
        assert find_spec(words[2]) is not None, line
    elif words[:1] == ["make"]:
        goals = [word for word in words[1:] if "=" not in word]
        assert all(re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for goal in goals), line
    elif words[:2] == ["pip", "install"]:
        known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        for extras in re.findall(r"aistorch\[(.+?)\]", line):
            assert set(extras.split(",")) <= set(known), line


def test_every_public_name_has_its_place_in_the_reference() -> None:
    """The docstring of each is shown once."""
    text = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    shown = re.findall(r"^::: aistorch\.(\w+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted([*aistorch.__all__, "errors"])


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"[\w./-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES[1:])
