"""The progress bar: right totals, the worker's number, next to no cost."""

from __future__ import annotations

import time

import pytest
import tqdm

from aistorch.progress import Progress


def drawn(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def last_line(text: str) -> str:
    return text.rstrip().rpartition("\r")[2]


def test_samples_and_bytes_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(True, "Reading", total=5000) as progress:
        for _ in range(4000):
            progress.update(100)
        progress.update(1000, samples=1000)
        time.sleep(0.01)
    line = last_line(drawn(capsys))
    assert line.startswith("Reading: 100%")
    assert "5000/5000" in line
    assert "objects/s" in line
    assert "B/s" in line


def test_the_worker_has_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(True, "Reading", worker=3) as progress:
        progress.update(1)
    assert "Reading (worker 3): 1 objects" in drawn(capsys)


def test_nothing_is_drawn_unless_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(False, "Reading") as progress:
        progress.update(1)
    assert drawn(capsys) == ""


def test_an_early_exit_draws_what_was_counted_and_closes(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped_early(progress: Progress) -> None:
        with progress:
            for _ in range(37):
                progress.update(1)
            raise KeyError

    progress = Progress(True, "Reading", total=100)
    with pytest.raises(KeyError):
        stopped_early(progress)
    assert "37/100" in last_line(drawn(capsys))
    progress.close()
    progress.update(1)  # after the end: harmless
    assert drawn(capsys) == ""
    assert not list(getattr(tqdm.tqdm, "_instances", []))


def test_the_clock_is_rarely_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    readings = 0
    real = time.monotonic

    def counted() -> float:
        nonlocal readings
        readings += 1
        return real()

    monkeypatch.setattr("aistorch.progress.time.monotonic", counted)
    hidden, shown = Progress(False, "hidden"), Progress(True, "shown")
    made = readings
    for _ in range(100_000):
        hidden.update(1)
    assert readings == made
    for _ in range(100_000):
        shown.update(1)
    assert readings - made < 2_000
    shown.close()
